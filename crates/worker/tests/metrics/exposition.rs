//! A strict reader of the Prometheus text format: what a scraper refuses or a linter complains about is a panic here.
//! It knows no metric of the worker.

use std::collections::{BTreeMap, BTreeSet};

/// A sample's labels, sorted.
pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// By full name and labels.
    pub(crate) samples: BTreeMap<(String, Labels), f64>,
}

/// A page by family.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) BTreeMap<String, Family>);

/// Words that name a unit which is not a base unit.
const NO_BASE_UNITS: [&str; 13] = [
    "milliseconds",
    "microseconds",
    "ms",
    "us",
    "minutes",
    "hours",
    "bits",
    "kilobytes",
    "megabytes",
    "kb",
    "mb",
    "percent",
    "kbps",
];

impl Page {
    /// Reads a page and holds it against the format and the naming conventions.
    pub(crate) fn read(text: &str) -> Page {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut page = Page(BTreeMap::new());
        let mut current: Option<String> = None;
        let mut announced: Option<String> = None;
        for line in text.lines() {
            assert_eq!(line, line.trim(), "no space around a line");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                assert!(announced.is_none(), "{name} follows a HELP without TYPE");
                assert!(help.ends_with('.') && help.len() > 5, "{name}: {help}");
                announced = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name");
                let of = announced.take().expect("HELP comes before TYPE");
                assert_eq!(name, of, "HELP and TYPE belong together");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                check_name(name, kind);
                let family = Family {
                    kind: kind.to_owned(),
                    ..Family::default()
                };
                let twice = page.0.insert(name.to_owned(), family).is_some();
                assert!(!twice, "{name} is announced twice");
                current = Some(name.to_owned());
            } else {
                let name = current.as_ref().expect("samples follow their TYPE");
                assert!(announced.is_none(), "{name}: HELP without TYPE");
                let family = page.0.get_mut(name).expect("inserted above");
                family.take(name, line);
            }
        }
        assert!(announced.is_none(), "the page ends in a HELP");
        for (name, family) in &page.0 {
            if family.kind == "histogram" {
                family.check_histograms(name);
            }
        }
        page
    }

    /// The value of the one sample with these labels; `name` is the full one.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let key = (name.to_owned(), labels);
        let found = self.0.values().find_map(|family| family.samples.get(&key));
        *found.unwrap_or_else(|| panic!("no sample {key:?}"))
    }

    /// All samples of a full name together.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let samples = self.0.values().flat_map(|family| &family.samples);
        let of: Vec<f64> = samples
            .filter(|((sample, _), _)| sample == name)
            .map(|(_, value)| *value)
            .collect();
        assert!(!of.is_empty(), "no sample of {name}");
        of.iter().sum()
    }

    /// Full names of all samples with the labels they use, `le` included.
    pub(crate) fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((name, labels), _) in self.0.values().flat_map(|family| &family.samples) {
            let known = names.entry(name.clone()).or_default();
            known.extend(labels.keys().cloned());
        }
        names
    }
}

impl Family {
    fn take(&mut self, name: &str, line: &str) {
        let (sample, labels, value) = read_sample(line);
        let suffix = sample
            .strip_prefix(name)
            .unwrap_or_else(|| panic!("{line} does not belong to {name}"));
        let allowed: &[&str] = match self.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert_eq!(suffix == "_bucket", labels.contains_key("le"), "{line}");
        let value: f64 = match value {
            "+Inf" | "-Inf" | "NaN" => panic!("{line}: nothing here is endless or undefined"),
            number => number
                .parse()
                .unwrap_or_else(|_| panic!("{line}: no number")),
        };
        assert!(value >= 0.0, "{line}: nothing here is below zero");
        let key = (sample.to_owned(), labels);
        assert!(self.samples.insert(key, value).is_none(), "{line} twice");
    }

    fn check_histograms(&self, name: &str) {
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for ((sample, labels), value) in &self.samples {
            let mut labels = labels.clone();
            if let Some(le) = labels.remove("le") {
                let bound = if le == "+Inf" {
                    f64::INFINITY
                } else {
                    le.parse().expect("a bound is a number")
                };
                series.entry(labels).or_default().push((bound, *value));
            } else {
                assert_ne!(sample, &format!("{name}_bucket"));
            }
        }
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                "{name} {labels:?}: {buckets:?}"
            );
            let (bound, all) = *buckets.last().expect("entered with one");
            assert!(bound.is_infinite(), "{name} {labels:?} has no +Inf");
            assert!(
                (5..25).contains(&buckets.len()),
                "{name}: {}",
                buckets.len()
            );
            let of = |suffix: &str| {
                self.samples
                    .get(&(format!("{name}{suffix}"), labels.clone()))
            };
            assert_eq!(of("_count"), Some(&all), "{name} {labels:?}");
            let sum = *of("_sum").expect("a histogram has a sum");
            assert_eq!(sum > 0.0, all > 0.0, "{name} {labels:?}");
        }
    }
}

fn check_name(name: &str, kind: &str) {
    assert!(is_name(name) && !name.contains(':'), "{name}");
    assert!(
        name.starts_with("framewire_") || name.starts_with("process_"),
        "{name} has no prefix"
    );
    assert_eq!(
        kind == "counter",
        name.ends_with("_total"),
        "{name}: {kind}"
    );
    for word in name.split('_') {
        assert!(!word.is_empty() && word == word.to_lowercase(), "{name}");
        assert!(
            !NO_BASE_UNITS.contains(&word),
            "{name}: {word} is no base unit"
        );
        assert!(!["counter", "gauge", "histogram"].contains(&word), "{name}");
    }
    for reserved in ["_count", "_sum", "_bucket"] {
        assert!(!name.ends_with(reserved), "{name}");
    }
    if kind == "histogram" {
        assert!(
            name.ends_with("_seconds") || name.ends_with("_bytes"),
            "{name} has no unit"
        );
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
}

/// Name, labels and value.
fn read_sample(line: &str) -> (&str, Labels, &str) {
    let end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, rest) = line.split_at(end);
    let mut labels = Labels::new();
    let Some(mut rest) = rest.strip_prefix('{') else {
        return (name, labels, &rest[1..]);
    };
    loop {
        let (label, after) = rest.split_once("=\"").expect("a label has a value");
        assert!(is_name(label) && !label.starts_with("__"), "{line}");
        let (value, after) = read_value(after);
        assert!(!value.is_empty(), "{line}: an empty label is none");
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
        if let Some(next) = after.strip_prefix(',') {
            rest = next;
        } else {
            let value = after.strip_prefix("} ").expect("labels end with }");
            return (name, labels, value);
        }
    }
}

/// A quoted value up to its closing quote, and what follows.
fn read_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                other => panic!("escaped {other:?}"),
            },
            char => value.push(char),
        }
    }
    panic!("a value without an end: {text}")
}

#[test]
fn the_reader_refuses_what_a_scraper_would() {
    let good = "# HELP framewire_a_total Some things.\n# TYPE framewire_a_total counter\nframewire_a_total{b=\"c\\\"\"} 1\n";
    Page::read(good);
    for bad in [
        "framewire_a_total 1\n",
        "# TYPE framewire_a_total counter\nframewire_a_total 1\n",
        "# HELP framewire_a Some things.\n# TYPE framewire_a counter\nframewire_a 1\n",
        "# HELP framewire_a_ms Some things.\n# TYPE framewire_a_ms gauge\nframewire_a_ms 1\n",
        "# HELP framewire_a_total Some things.\n# TYPE framewire_a_total counter\nframewire_b_total 1\n",
        "# HELP framewire_a_total Some things.\n# TYPE framewire_a_total counter\nframewire_a_total 1",
        "# HELP framewire_a_total Some things.\n# TYPE framewire_a_total counter\nframewire_a_total x\n",
        "# HELP framewire_a_seconds Some things.\n# TYPE framewire_a_seconds histogram\nframewire_a_seconds 1\n",
        &format!("{good}framewire_a_total{{b=\"c\\\"\"}} 2\n"),
        &format!("{good}{good}"),
    ] {
        let read = std::panic::catch_unwind(|| Page::read(bad));
        assert!(read.is_err(), "{bad}");
    }
}
