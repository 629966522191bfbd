//! Figures by row and broker, shown as they come, and the table of medians at the end.

mod machine;
mod page;
mod rows;

use std::collections::BTreeMap;

use crate::peer::Kind;

pub use machine::{Machine, OtherLoad, own_cpu_s};
pub use page::{Run, page};
pub use rows::{Aim, ROWS, Row, row};

/// Figures of all rounds.
#[derive(Default)]
pub struct Report {
    figures: BTreeMap<(&'static str, Kind), Vec<f64>>,
    loads: BTreeMap<&'static str, Vec<f64>>,
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
    pub fn add(&mut self, id: &'static str, kind: Kind, value: f64) -> anyhow::Result<()> {
        let row = row(id)?;
        println!("  {:<26} {:<58} {value:>12.2} {}", kind.name(), row.what, row.unit);
        self.figures.entry((id, kind)).or_default().push(value);
        Ok(())
    }

    /// A row's figures for a broker.
    pub fn spread(&self, id: &str, kind: Kind) -> Option<Spread> {
        let figures = self.figures.iter().find(|((row, of), _)| *row == id && *of == kind)?.1;
        Spread::of(figures)
    }

    /// Notes what other processes took of the machine during a scenario, in percent.
    pub fn other_load(&mut self, scenario: &'static str, percent: f64) {
        self.loads.entry(scenario).or_default().push(percent);
    }

    /// What other processes took, by scenario.
    pub fn loads(&self) -> impl Iterator<Item = (&'static str, Spread)> {
        self.loads.iter().filter_map(|(scenario, figures)| Some((*scenario, Spread::of(figures)?)))
    }

    /// Whether anything was measured for a row.
    pub fn has(&self, id: &str) -> bool {
        Kind::ALL.iter().any(|kind| self.spread(id, *kind).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() -> anyhow::Result<()> {
        let mut report = Report::default();
        for value in [4.0, 1.0, 3.0, 9.0] {
            report.add("sync.p50", Kind::Tidemill, value)?;
        }
        let spread = Spread { median: 3.5, min: 1.0, max: 9.0 };
        assert_eq!(report.spread("sync.p50", Kind::Tidemill), Some(spread));
        assert_eq!(report.spread("sync.p50", Kind::Kafka), None);
        Ok(())
    }
}
