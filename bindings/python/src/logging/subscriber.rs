//! The process's `tracing` subscriber: turns events into records and queues them.
//! It knows no spans, and holds no lock while it looks at the level.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::logging::queue::Record;
use crate::logging::thread;

/// Longest text of one event.
const MAX_TEXT: usize = 8192;

/// How long a changed level of the logger may stay unnoticed.
const LEVEL_AGE: Duration = Duration::from_secs(1);

/// What the logger lets through, as a Python level number. `WARNING`, as `logging` has it before it is configured.
static LEVEL: AtomicU8 = AtomicU8::new(30);

/// When the level was last taken over.
static LOOKED: Mutex<Option<Instant>> = Mutex::new(None);

/// Makes this the subscriber of the process, once. If another one is there already, it stays.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Bridge);
    });
}

/// Takes over the effective level of the logger "framewire" when the last look is too old, or at once.
pub(crate) fn follow_level(py: Python<'_>, at_once: bool) -> PyResult<()> {
    {
        let mut looked = LOOKED.lock().unwrap_or_else(PoisonError::into_inner);
        if !at_once && looked.is_some_and(|at| at.elapsed() < LEVEL_AGE) {
            return Ok(());
        }
        *looked = Some(Instant::now());
    }
    let level: i64 = py
        .import("logging")?
        .call_method1("getLogger", ("framewire",))?
        .call_method0("getEffectiveLevel")?
        .extract()?;
    let level = u8::try_from(level.clamp(0, 255)).unwrap_or(u8::MAX);
    if LEVEL.swap(level, Ordering::Relaxed) != level {
        tracing::callsite::rebuild_interest_cache();
    }
    Ok(())
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// Events of other crates are passed on from warnings upwards only: the ICE agent and the TURN client would write
/// passwords at the levels below, the TURN client even in warnings.
fn quietest_foreign(target: &str) -> u8 {
    if target.starts_with("turn_client_proto") {
        number(Level::ERROR)
    } else {
        number(Level::WARN)
    }
}

fn wanted(metadata: &Metadata<'_>) -> bool {
    let level = number(*metadata.level());
    let ours = metadata.target().starts_with("framewire");
    metadata.is_event()
        && level >= LEVEL.load(Ordering::Relaxed)
        && (ours || level >= quietest_foreign(metadata.target()))
}

/// `framewire_transport::driver` is logged as `framewire.transport.driver`, `hyper::x` as `framewire.hyper.x`.
fn logger_name(target: &str) -> String {
    let below = target
        .strip_prefix("framewire_")
        .or_else(|| target.strip_prefix("framewire::"))
        .unwrap_or(target);
    if below == "framewire" || below.is_empty() {
        return "framewire".to_owned();
    }
    format!("framewire.{}", below.replace("::", "."))
}

struct Bridge;

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked again whenever the level changes.
        if wanted(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL.load(Ordering::Relaxed) {
            0..=5 => LevelFilter::TRACE,
            6..=10 => LevelFilter::DEBUG,
            11..=20 => LevelFilter::INFO,
            21..=30 => LevelFilter::WARN,
            31..=40 => LevelFilter::ERROR,
            _ => LevelFilter::OFF,
        })
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        wanted(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        thread::submit(Record {
            logger: logger_name(metadata.target()),
            level: number(*metadata.level()),
            message: text.whole(),
            file: metadata.file().unwrap_or("framewire"),
            line: metadata.line().unwrap_or(0),
            thread: std::thread::current().name().unwrap_or("native").to_owned(),
            at: SystemTime::now(),
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, followed by its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string fails only when a value's own formatting does; then that value is incomplete.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }
}

impl Text {
    fn whole(mut self) -> String {
        self.message.push_str(&self.fields);
        if self.message.len() > MAX_TEXT {
            let end = self.message.floor_char_boundary(MAX_TEXT);
            self.message.truncate(end);
            self.message.push('…');
        }
        self.message
    }
}
