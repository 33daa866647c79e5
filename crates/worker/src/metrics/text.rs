//! Writes the Prometheus text format, version 0.0.4.
//! It knows no metric.

use std::fmt::{Display, Write};

use super::Histogram;

/// The page so far.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// A family that was announced; its samples follow.
pub(super) struct Family<'a> {
    page: &'a mut Page,
    name: &'a str,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    pub(super) fn with_capacity(bytes: usize) -> Page {
        Page(String::with_capacity(bytes))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Announces a family of counters; the name ends in `_total`.
    pub(super) fn counters<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// Announces a family of gauges.
    pub(super) fn gauges<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// Announces a family of histograms; the name ends in the unit.
    pub(super) fn histograms<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "histogram", help)
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.counters(name, help).sample(&[], value);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauges(name, help).sample(&[], value);
    }

    /// A histogram without labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.histograms(name, help).distribution(&[], histogram);
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {}", Escaped(help, false));
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        Family { page: self, name }
    }
}

impl Family<'_> {
    /// One sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A sample for each value of one label.
    pub(super) fn each<V: Display>(
        &mut self,
        label: &str,
        samples: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        for (value, sample) in samples {
            self.sample(&[(label, value)], sample);
        }
    }

    /// The samples of one histogram.
    pub(super) fn distribution(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let reading = histogram.read();
        for (bound, count) in &reading.buckets {
            self.line("_bucket", labels, Some(bound), count);
        }
        self.line("_bucket", labels, Some(&"+Inf"), reading.count);
        self.line("_sum", labels, None, reading.sum);
        self.line("_count", labels, None, reading.count);
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: Labels<'_>,
        le: Option<&dyn Display>,
        value: impl Display,
    ) {
        let text = &mut self.page.0;
        let _ = write!(text, "{}{suffix}", self.name);
        let mut open = '{';
        for (name, value) in labels {
            let _ = write!(text, "{open}{name}=\"{}\"", Escaped(value, true));
            open = ',';
        }
        if let Some(le) = le {
            let _ = write!(text, "{open}le=\"{le}\"");
            open = ',';
        }
        if open == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// Text with what the format reserves escaped; quotes in label values only.
struct Escaped<'a>(&'a str, bool);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.1 => f.write_str("\\\"")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn samples_follow_their_announcement_and_labels_are_escaped() {
        let mut page = Page::default();
        page.counters("a_total", "A \"thing\".\nMore.")
            .sample(&[("k", "x\"y\\z\n"), ("l", "m")], 3);
        page.gauge("b_ratio", "B.", 0.25);
        let histogram = Histogram::new(&[1_000]);
        histogram.record(Duration::from_millis(2));
        page.histograms("c_seconds", "C.")
            .distribution(&[("k", "v")], &histogram);
        let want = "# HELP a_total A \"thing\".\\nMore.\n# TYPE a_total counter\na_total{k=\"x\\\"y\\\\z\\n\",l=\"m\"} 3\n\
                    # HELP b_ratio B.\n# TYPE b_ratio gauge\nb_ratio 0.25\n\
                    # HELP c_seconds C.\n# TYPE c_seconds histogram\nc_seconds_bucket{k=\"v\",le=\"0.001\"} 0\n\
                    c_seconds_bucket{k=\"v\",le=\"+Inf\"} 1\nc_seconds_sum{k=\"v\"} 0.002\nc_seconds_count{k=\"v\"} 1\n";
        assert_eq!(page.into_text(), want);
    }
}
