//! The rows, as a table and as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    baseline: Option<Baseline>,
    /// Above 1 is better for us, whatever the unit.
    ratio: Option<f64>,
    note: String,
}

/// What a figure is held against.
#[derive(Debug, Serialize)]
pub struct Baseline {
    name: &'static str,
    value: f64,
}

/// The rows so far, printed as they come.
pub struct Report {
    pattern: String,
    rows: Vec<Row>,
}

impl Report {
    /// The rows whose names hold `pattern`.
    pub fn new(pattern: &str) -> Self {
        println!("{:<28} {:>12} {:<8} {:>12} {:<22} {:>7}  note", "row", "allod", "unit", "baseline", "of", "ratio");
        Report { pattern: pattern.to_owned(), rows: Vec::new() }
    }

    /// Whether the row was asked for.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.pattern)
    }

    /// A rate beside its baseline's: more is better.
    pub fn rate(&mut self, name: &str, value: f64, unit: &'static str, baseline: (&'static str, f64), note: String) {
        let ratio = Some(value / baseline.1);
        self.push(Row {
            name: name.into(),
            value,
            unit,
            baseline: Some(Baseline { name: baseline.0, value: baseline.1 }),
            ratio,
            note,
        });
    }

    /// A time beside its baseline's: less is better.
    pub fn time(&mut self, name: &str, value: f64, unit: &'static str, baseline: (&'static str, f64), note: String) {
        let ratio = Some(baseline.1 / value);
        let baseline = Some(Baseline { name: baseline.0, value: baseline.1 });
        self.push(Row { name: name.into(), value, unit, baseline, ratio, note });
    }

    /// A figure without a baseline.
    pub fn alone(&mut self, name: &str, value: f64, unit: &'static str, note: String) {
        self.push(Row { name: name.into(), value, unit, baseline: None, ratio: None, note });
    }

    fn push(&mut self, row: Row) {
        let (base, of) = row.baseline.as_ref().map_or((String::new(), ""), |b| (format!("{:.1}", b.value), b.name));
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!("{:<28} {:>12.1} {:<8} {base:>12} {of:<22} {ratio:>7}  {}", row.name, row.value, row.unit, row.note);
        self.rows.push(row);
    }

    /// Writes the rows, behind those of another file if there is one.
    pub fn write(&self, out: &Path, also: Option<&Path>) -> Result<()> {
        let dir = out.parent().context("--out needs a file in a directory")?;
        std::fs::create_dir_all(dir)?;
        let mut rows: Vec<serde_json::Value> = match also {
            None => Vec::new(),
            Some(file) => {
                let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("{} is no list of rows", file.display()))?
            }
        };
        for row in &self.rows {
            rows.push(serde_json::to_value(row)?);
        }
        std::fs::write(out, serde_json::to_vec_pretty(&rows)?).with_context(|| format!("writing {}", out.display()))?;
        println!("{} rows in {}", rows.len(), out.display());
        Ok(())
    }
}

/// The middle one of three.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
