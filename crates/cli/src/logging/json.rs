//! Log events as one JSON object a line, with the fields of the spans they lie in beside their own.
//! Not which events: that is the filter's.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Longest text of one field; the rest is cut.
const MAX_TEXT: usize = 8 << 10;
/// What each line has; a field of one of these names gets a `_` behind it.
const RESERVED: [&str; 4] = ["timestamp", "level", "target", "message"];

/// See the module.
pub(super) struct JsonLines<W>(W);

impl<W: Fn(&[u8])> JsonLines<W> {
    /// `write` gets each line whole, with its end.
    pub(super) fn new(write: W) -> JsonLines<W> {
        JsonLines(write)
    }
}

/// One line on stderr in one call, so that lines of several threads do not mix. A closed stderr loses it.
pub(super) fn to_stderr(line: &[u8]) {
    let _ = std::io::stderr().lock().write_all(line);
}

/// The start of a line: when, how bad, from where.
fn line(level: &str, target: &str, message: &str) -> Map<String, Value> {
    let now = chrono::Utc::now();
    let mut line = Map::new();
    let at = now.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    for (key, value) in RESERVED.iter().zip([&*at, level, target, message]) {
        line.insert((*key).to_owned(), json!(value));
    }
    line
}

/// A line that is no event: what a command says last.
pub(super) fn sentence(text: &str) -> Vec<u8> {
    finished(line("info", "framewire_cli", text))
}

fn finished(line: Map<String, Value>) -> Vec<u8> {
    let mut bytes = Value::Object(line).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// The fields of a span, kept with it.
struct SpanFields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return; // the registry has every span it gave a name to
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.map));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
            known.0.extend(fields.map);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let metadata = event.metadata();
        let target = own.target.as_deref().unwrap_or(metadata.target());
        let level = metadata.level().as_str().to_ascii_lowercase();
        let mut line = line(&level, target, &own.message);
        for span in context.event_scope(event).into_iter().flatten() {
            // From the innermost outwards: the nearest of a name counts.
            if let Some(fields) = span.extensions().get::<SpanFields>() {
                for (key, value) in &fields.0 {
                    line.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
        line.extend(own.map);
        (self.0)(&finished(line));
    }
}

/// Takes fields as JSON.
#[derive(Default)]
struct Fields {
    map: Map<String, Value>,
    message: String,
    /// Where a line of the `log` crate comes from.
    target: Option<String>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        match field.name() {
            "log.target" => self.target = value.as_str().map(str::to_owned),
            name if name.starts_with("log.") => {}
            "message" => match value {
                Value::String(text) => self.message = text,
                other => self.message = other.to_string(),
            },
            name if RESERVED.contains(&name) => drop(self.map.insert(format!("{name}_"), value)),
            name => drop(self.map.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // A value whose own formatting fails is incomplete.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = value.to_owned();
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('…');
        }
        self.take(field, Value::String(text));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = bytes.clone();
        let write = move |line: &[u8]| sink.lock().unwrap().extend_from_slice(line);
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(write));
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn events_carry_the_fields_of_their_spans_flat_and_the_nearest_counts() {
        let lines = lines(|| {
            let outer = tracing::info_span!("session", session = tracing::field::Empty, frame = 1);
            let _entered = outer.enter();
            outer.record("session", "abc");
            tracing::info_span!("frame", frame = 7u64)
                .in_scope(|| tracing::warn!(error = %"odd\n\"", ratio = 0.5, "went wrong: {}", 3));
            tracing::info!(frame = 9, "outside");
        });
        let inner = &lines[0];
        assert_eq!(inner["session"], "abc");
        assert_eq!(inner["frame"], 7);
        assert_eq!(inner["error"], "odd\n\"");
        assert_eq!(inner["ratio"], 0.5);
        assert_eq!(inner["message"], "went wrong: 3");
        assert_eq!(inner["level"], "warn");
        assert_eq!(inner["target"], module_path!());
        let at = inner["timestamp"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");
        assert_eq!(lines[1]["frame"], 9);
    }

    #[test]
    fn fields_take_no_reserved_name_and_are_cut_when_they_are_long() {
        let long = "ä".repeat(MAX_TEXT);
        let lines = lines(|| {
            tracing::info!(
                level = 3,
                target = "x",
                endless = f64::NAN,
                text = long,
                "real"
            );
        });
        let line = &lines[0];
        assert_eq!(
            (&line["level"], &line["level_"]),
            (&json!("info"), &json!(3))
        );
        assert_eq!(line["target_"], "x");
        assert_eq!(line["message"], "real");
        assert_eq!(line["endless"], Value::Null);
        assert!(line["text"].as_str().unwrap().len() < MAX_TEXT + 4);
    }

    #[test]
    fn the_last_sentence_is_a_line_like_the_others() {
        let line: Value = serde_json::from_slice(&sentence("it \"broke\"")).unwrap();
        assert_eq!(line["message"], "it \"broke\"");
        assert_eq!(line["level"], "info");
    }
}
