//! Figures by row and column, shown as they come, and the tables of medians at the end.

mod judged;
mod machine;
mod page;
mod rows;
mod who;

use std::collections::BTreeMap;

pub use machine::{Machine, OtherLoad, gives_free_pages_back, own_cpu_s};
pub use page::{Run, page};
pub use rows::{Aim, Row, row};
pub use who::Who;

/// Figures of all rounds.
#[derive(Default)]
pub struct Report {
    figures: BTreeMap<(&'static str, Who), Vec<f64>>,
    loads: BTreeMap<&'static str, Vec<f64>>,
    failures: Vec<String>,
}

/// Median and spread of a row's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    fn of(figures: &[f64]) -> Option<Spread> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted.get((sorted.len() - 1) / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Spread { median: f64::midpoint(*low, *high), min, max })
    }
}

impl Report {
    /// Adds a figure and shows it.
    pub fn add(&mut self, id: &'static str, who: Who, value: f64) -> anyhow::Result<()> {
        let row = row(id)?;
        println!("  {:<26} {:<58} {value:>12.2} {}", who.name(), row.what, row.unit);
        self.figures.entry((id, who)).or_default().push(value);
        Ok(())
    }

    /// A row's figures for a column.
    pub fn spread(&self, id: &str, who: Who) -> Option<Spread> {
        let figures = self.figures.iter().find(|((row, of), _)| *row == id && *of == who)?.1;
        Spread::of(figures)
    }

    /// Notes what other processes took of the machine during a scenario, in percent.
    pub fn other_load(&mut self, scenario: &'static str, percent: f64) {
        self.loads.entry(scenario).or_default().push(percent);
    }

    /// What other processes took while a scenario ran.
    pub fn load_of(&self, scenario: &str) -> Option<Spread> {
        self.loads.get(scenario).and_then(|figures| Spread::of(figures))
    }

    /// Notes that a measurement failed, and shows it. Paths are named from here on: the page is for others, too.
    pub fn failed(&mut self, failure: &str) {
        println!("  FAILED: {failure}");
        let named = match std::env::current_dir() {
            Ok(here) => failure.replace(&format!("{}/", here.display()), ""),
            Err(_) => failure.to_owned(),
        };
        self.failures.push(named);
    }

    /// Measurements that failed.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Whether anything was measured for a row.
    pub fn has(&self, id: &str) -> bool {
        self.figures.keys().any(|(row, _)| *row == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() -> anyhow::Result<()> {
        let mut report = Report::default();
        for value in [4.0, 1.0, 3.0, 9.0] {
            report.add("sync.p50", Who::TIDEMILL, value)?;
        }
        let spread = Spread { median: 3.5, min: 1.0, max: 9.0 };
        assert_eq!(report.spread("sync.p50", Who::TIDEMILL), Some(spread));
        assert_eq!(report.spread("sync.p50", Who::KAFKA), None);
        Ok(())
    }
}
