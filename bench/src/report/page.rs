//! The table of medians, as Markdown.

use std::fmt::Write;

use super::{Aim, Machine, ROWS, Report, Row, Spread};
use crate::peer::Kind;

/// How it was measured.
pub struct Run {
    /// Rounds, each of all brokers in turn.
    pub rounds: usize,
    /// The command that did it.
    pub command: String,
    /// The day, as `YYYY-MM-DD`.
    pub day: String,
}

/// The whole page.
pub fn page(report: &Report, machine: &Machine, run: &Run) -> String {
    let mut text = String::from(PREFACE);
    let _ = write!(
        text,
        "\nMeasured {} with `{}` on {}; medians of {} rounds, smallest and largest in brackets.\n",
        run.day, run.command, machine.line, run.rounds
    );
    text.push_str("\n| what | unit | Tidemill | Kafka | Kafka, flush per message | aim | |\n|---|---|---|---|---|---|---|\n");
    for row in ROWS.iter().filter(|row| report.has(row.id)) {
        let cell = |kind| report.spread(row.id, kind).map_or_else(|| "–".to_owned(), shown);
        let (aims, met) = judged(report, row);
        let [ours, kafka, flush] = Kind::ALL.map(cell);
        let _ =
            writeln!(text, "| {} | {} | {ours} | {kafka} | {flush} | {aims} | {met} |", row.what, row.unit);
    }
    text.push_str(
        "\nEach row alone: `bench/run.sh --only SCENARIO`, where the scenario is one of those below; beside it what \
         other processes took of the machine meanwhile.\n\n| scenario | rows | other load, % of all cores |\n|---|---|---|\n",
    );
    for (scenario, load) in report.loads() {
        let rows: Vec<&str> = ROWS
            .iter()
            .filter(|row| row.scenario == scenario && report.has(row.id))
            .map(|row| row.what)
            .collect();
        let _ = writeln!(text, "| `{scenario}` | {} | {} |", rows.join("; "), shown(load));
    }
    text
}

const PREFACE: &str = "# Benchmarks

Written by `make bench`; not edited by hand. One load client, the same for all brokers, sends values of about 1 KiB of
JSON (half of each random, which zstd takes to a quarter), without a codec, in batches of 64 KiB where nothing else is
said, with five requests on their way on each connection and acks=all. Tidemill answers after fsync; Kafka with its
defaults answers from the page cache; the third column is Kafka with `log.flush.interval.messages=1`. CPU and memory
of the brokers are the operating system's figures. A ratio counts only within a row: client and brokers share the
machine's cores, and the disk is a virtual one.
";

fn shown(spread: Spread) -> String {
    let digits = match spread.median.abs() {
        m if m >= 100.0 => 0,
        m if m >= 10.0 => 1,
        _ => 2,
    };
    format!("**{:.digits$}** ({:.digits$}–{:.digits$})", spread.median, spread.min, spread.max)
}

/// A row's aims in words, and how far each was met.
fn judged(report: &Report, row: &Row) -> (String, String) {
    let mut aims = Vec::new();
    let mut met = Vec::new();
    for aim in row.aims {
        aims.push(described(*aim));
        if let Some((ratio, holds)) = held_against(report, row, *aim) {
            met.push(format!("{} {}", ratio, if holds { "✓" } else { "missed" }));
        }
    }
    (aims.join("; "), met.join("; "))
}

fn described(aim: Aim) -> String {
    match aim {
        Aim::AtLeast(times, kind) => format!("≥ {times} × {}", kind.name()),
        Aim::AtMost(times, kind) => format!("≤ {times} × {}", kind.name()),
        Aim::AtLeastOf(times, kind, of) => format!("≥ {times} × {}'s {of}", kind.name()),
        Aim::AtMostPlus(more, of) => format!("≤ {of} + {more}"),
        Aim::Below(bound) => format!("< {bound}"),
        Aim::Within(share, of) => format!("within {:.0} % of {of}", share * 100.0),
    }
}

fn held_against(report: &Report, row: &Row, aim: Aim) -> Option<(String, bool)> {
    let median = |id: &str, kind| Some(report.spread(id, kind)?.median);
    let ours = median(row.id, Kind::Tidemill)?;
    let times = |ratio: f64| format!("{ratio:.2} ×");
    Some(match aim {
        Aim::AtLeast(least, kind) => {
            let ratio = ours / median(row.id, kind)?;
            (times(ratio), ratio >= least)
        }
        Aim::AtMost(most, kind) => {
            let ratio = ours / median(row.id, kind)?;
            (times(ratio), ratio <= most)
        }
        Aim::AtLeastOf(least, kind, of) => {
            let ratio = ours / median(of, kind)?;
            (times(ratio), ratio >= least)
        }
        Aim::AtMostPlus(more, of) => {
            let above = ours - median(of, Kind::Tidemill)?;
            (format!("+ {above:.0}"), above <= more)
        }
        Aim::Below(bound) => (String::new(), ours < bound),
        Aim::Within(share, of) => {
            let ratio = ours / median(of, Kind::Tidemill)?;
            (times(ratio), (1.0 - share..=1.0 + share).contains(&ratio))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_aim_says_so() -> anyhow::Result<()> {
        let mut report = Report::default();
        report.add("produce.1.rate", Kind::Tidemill, 140.0)?;
        report.add("produce.1.rate", Kind::Kafka, 100.0)?;
        report.add("produce.1.rate", Kind::KafkaFlush, 10.0)?;
        let run = Run { rounds: 1, command: "make bench".into(), day: "2026-01-01".into() };
        let page = page(&report, &Machine { line: "1 core".into() }, &run);
        assert!(page.contains("1.40 × missed; 14.00 × ✓"), "{page}");
        assert!(!page.contains("open loop"), "{page}");
        Ok(())
    }
}
