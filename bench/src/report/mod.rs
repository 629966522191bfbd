//! Figures by row and column, shown as they come, and the tables of medians at the end.

mod judged;
mod machine;
mod page;
mod rows;
mod speed;
mod who;

use std::collections::BTreeMap;

pub use machine::{Machine, OtherLoad, gives_free_pages_back, own_cpu_s};
pub use page::{Run, page};
pub use rows::{Aim, Row, row};
pub use speed::Speedometer;
pub use who::Who;

/// Figures of all rounds.
#[derive(Default)]
pub struct Report {
    round: usize,
    figures: BTreeMap<(&'static str, Who), Rounds>,
    loads: BTreeMap<&'static str, Vec<f64>>,
    speeds_mb_per_s: BTreeMap<&'static str, Vec<f64>>,
    failures: Vec<String>,
}

/// Figures of one cell, by round.
type Rounds = BTreeMap<usize, Vec<f64>>;

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
    /// What is added from here on belongs to this round.
    pub fn begin_round(&mut self, round: usize) {
        self.round = round;
    }

    /// Adds a figure and shows it.
    pub fn add(&mut self, id: &'static str, who: Who, value: f64) -> anyhow::Result<()> {
        let row = row(id)?;
        println!("  {:<26} {:<58} {value:>12.2} {}", who.name(), row.what, row.unit);
        self.figures.entry((id, who)).or_default().entry(self.round).or_default().push(value);
        Ok(())
    }

    /// A row's figures for a column.
    pub fn spread(&self, id: &str, who: Who) -> Option<Spread> {
        let figures: Vec<f64> = self.rounds_of(id, who)?.values().flatten().copied().collect();
        Spread::of(&figures)
    }

    /// Two cells held against each other in each round that has both, and the median of that: the machine's speed
    /// changes from round to round, so the quotient of two medians may be of a fast round and a slow one.
    pub fn compared(
        &self,
        (id, who): (&str, Who),
        (other_id, other_who): (&str, Who),
        compare: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let others = self.rounds_of(other_id, other_who)?;
        let both = self.rounds_of(id, who)?.iter().filter_map(|(round, figures)| {
            Some(compare(Spread::of(figures)?.median, Spread::of(others.get(round)?)?.median))
        });
        Some(Spread::of(&both.collect::<Vec<_>>())?.median)
    }

    fn rounds_of(&self, id: &str, who: Who) -> Option<&Rounds> {
        Some(self.figures.iter().find(|((row, of), _)| *row == id && *of == who)?.1)
    }

    /// Notes what other processes took of the machine during a scenario, in percent.
    pub fn other_load(&mut self, scenario: &'static str, percent: f64) {
        self.loads.entry(scenario).or_default().push(percent);
    }

    /// What other processes took while a scenario ran.
    pub fn load_of(&self, scenario: &str) -> Option<Spread> {
        self.loads.get(scenario).and_then(|figures| Spread::of(figures))
    }

    /// Notes how fast the machine was during a scenario.
    pub fn speed(&mut self, scenario: &'static str, mb_per_s: f64) {
        println!("  {:<26} {:<58} {mb_per_s:>12.2} MB/s", "machine", "zstd-1, before and after");
        self.speeds_mb_per_s.entry(scenario).or_default().push(mb_per_s);
    }

    /// How fast the machine was while a scenario ran, in percent of its fastest in all of them.
    pub fn speed_of(&self, scenario: &str) -> Option<Spread> {
        let fastest = self.speeds_mb_per_s.values().flatten().copied().max_by(f64::total_cmp)?;
        let shares = self.speeds_mb_per_s.get(scenario)?.iter().map(|speed| 100.0 * speed / fastest);
        Spread::of(&shares.collect::<Vec<_>>())
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

    #[test]
    fn cells_are_compared_within_each_round() -> anyhow::Result<()> {
        let mut report = Report::default();
        // A machine that is half as fast in the second round, and in the third only when it is Kafka's turn.
        for (round, ours, kafka) in
            [(1, [300.0, 300.0], 200.0), (2, [140.0, 160.0], 100.0), (3, [300.0, 300.0], 100.0)]
        {
            report.begin_round(round);
            ours.into_iter().try_for_each(|value| report.add("group.1", Who::TIDEMILL, value))?;
            report.add("group.1", Who::KAFKA, kafka)?;
        }
        report.begin_round(4);
        report.add("group.1", Who::TIDEMILL, 1.0)?;
        let (ours, kafka) = (("group.1", Who::TIDEMILL), ("group.1", Who::KAFKA));
        assert_eq!(report.compared(ours, kafka, |ours, theirs| ours / theirs), Some(1.5));
        assert_eq!(report.compared(ours, ("group.1", Who::Raw), |ours, theirs| ours / theirs), None);
        Ok(())
    }

    #[test]
    fn speed_is_a_share_of_the_fastest_in_any_scenario() {
        let mut report = Report::default();
        [400.0, 200.0, 300.0].into_iter().for_each(|mb_per_s| report.speed("produce", mb_per_s));
        report.speed("raw", 500.0);
        assert_eq!(report.speed_of("produce"), Some(Spread { median: 60.0, min: 40.0, max: 80.0 }));
        assert_eq!(report.speed_of("latency"), None);
    }
}
