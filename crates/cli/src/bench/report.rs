//! One JSON line per measured case.
//! Not here: measuring.

use serde::Serialize;

use crate::output::summary::rounded;

#[derive(Debug, Serialize)]
struct Report<'a> {
    bench: &'a str,
    case: &'a str,
    value: f64,
    unit: &'a str,
    n: usize,
    median: f64,
    min: f64,
    max: f64,
}

/// Prints the median of `values` with its spread. `values` holds at least one figure.
pub(crate) fn print(bench: &str, case: &str, unit: &str, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return;
    };
    let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
    let report = Report {
        bench,
        case,
        value: rounded(median),
        unit,
        n: sorted.len(),
        median: rounded(median),
        min: rounded(min),
        max: rounded(max),
    };
    println!(
        "{}",
        serde_json::to_string(&report).expect("numbers and texts always serialize")
    );
}
