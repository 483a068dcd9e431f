//! The rows, as a table and in the shape of `bench.json`.

use serde_json::{Value, json};

pub struct Report {
    pattern: String,
    rows: Vec<Value>,
}

/// Ours and SpiceDB's, three each; none of SpiceDB's when it is not at hand.
type Samples = (Vec<f64>, Vec<f64>);

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Report {
    pub fn new(pattern: &str) -> Self {
        Report { pattern: pattern.to_owned(), rows: Vec::new() }
    }

    /// Whether the row was asked for.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.pattern)
    }
    pub fn wants_any(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// Less is better.
    pub fn latency(&mut self, name: &str, samples: Samples, unit: &str, note: &str) {
        self.pair(name, samples, unit, note, |ours, theirs| theirs / ours);
    }
    /// More is better.
    pub fn rate(&mut self, name: &str, samples: Samples, unit: &str, note: &str) {
        self.pair(name, samples, unit, note, |ours, theirs| ours / theirs);
    }
    pub fn alone(&mut self, name: &str, value: f64, unit: &str, note: &str) {
        if self.wants(name) {
            self.push(name, value, unit, None, None, note);
        }
    }

    fn pair(&mut self, name: &str, (ours, theirs): Samples, unit: &str, note: &str, better: fn(f64, f64) -> f64) {
        let Some(value) = median(ours) else { return };
        let baseline = median(theirs);
        self.push(name, value, unit, baseline, baseline.map(|theirs| better(value, theirs)), note);
    }

    fn push(&mut self, name: &str, value: f64, unit: &str, baseline: Option<f64>, ratio: Option<f64>, note: &str) {
        let shown = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        let of = if baseline.is_some() { "SpiceDB, in memory" } else { "" };
        println!("{name:<36} {value:>12.2} {unit:<9} {:>12} {of:<22} {:>9}  {note}", shown(baseline), shown(ratio));
        let baseline = baseline.map(|value| json!({ "name": of, "value": value }));
        self.rows.push(json!({
            "name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio, "note": note
        }));
    }

    pub fn write(&self, out: &str) {
        let text = serde_json::to_vec_pretty(&self.rows).expect("rows are JSON");
        std::fs::write(out, text).unwrap_or_else(|error| panic!("{out}: {error}"));
    }
}
