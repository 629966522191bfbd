//! The tables of medians, as Markdown.

use std::fmt::Write;

use super::judged::judged;
use super::rows::{TABLES, Table};
use super::{Machine, Report, Row, Spread};

/// How it was measured.
pub struct Run {
    /// Rounds, each of everybody in turn.
    pub rounds: usize,
    /// The command that did it.
    pub command: String,
    /// Arguments that a single scenario needs to be measured in the same way.
    pub arguments: String,
    /// The day, as `YYYY-MM-DD`.
    pub day: String,
}

/// The whole page.
pub fn page(report: &Report, machine: &Machine, run: &Run) -> String {
    let mut text = String::from(PREFACE);
    let _ = write!(
        text,
        "\nMeasured {} with `{}` on {}. Each figure is the median of {}, smallest and largest in brackets; a ratio \
         is the median of the rounds' ratios. The last column is the command that measures a row alone, what processes \
         that are no part of the measurement took of all cores meanwhile, and how fast the machine was (zstd-1 on one \
         core, before and after each turn) in percent of its fastest in all of this.\n",
        run.day,
        run.command,
        machine.line,
        if run.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", run.rounds) },
    );
    for table in TABLES {
        write_table(&mut text, report, table, run);
    }
    if !report.failures().is_empty() {
        text.push_str("\n## What failed\n\n");
        report.failures().iter().for_each(|failure| text.push_str(&format!("- {failure}\n")));
    }
    text.push_str(NOT_THERE_YET);
    text
}

fn write_table(text: &mut String, report: &Report, table: &Table, run: &Run) {
    let rows: Vec<&Row> = table.rows.iter().filter(|row| report.has(row.id)).collect();
    if rows.is_empty() {
        return;
    }
    let names: Vec<&str> = table.columns.iter().map(|who| who.name()).collect();
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\n| what | unit | {} | aim | | command; other load; speed |\n|---|---|{}---|---|---|\n",
        table.title,
        table.preface,
        names.join(" | "),
        "---|".repeat(names.len()),
    );
    for row in rows {
        let cell = |who| report.spread(row.id, who).map_or_else(|| "–".to_owned(), shown);
        let cells: Vec<String> = table.columns.iter().map(|who| cell(*who)).collect();
        let (aims, met) = judged(report, row);
        let percent = |spread: Option<Spread>| {
            spread
                .map_or_else(String::new, |of| format!("; {:.0} % ({:.0}–{:.0})", of.median, of.min, of.max))
        };
        let (load, speed) = (percent(report.load_of(row.scenario)), percent(report.speed_of(row.scenario)));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {aims} | {met} | `bench/run.sh --only {}{}`{load}{speed} |",
            row.what,
            row.unit,
            cells.join(" | "),
            row.scenario,
            run.arguments,
        );
    }
}

const PREFACE: &str = "# Benchmarks

Written by `make bench`; not edited by hand. One load client, the same for all brokers, sends values of about 1 KiB of
JSON (half of each random, which zstd takes to a quarter), without a codec, in batches of 64 KiB where nothing else is
said, with five requests on their way on each connection and acks=all. Tidemill answers after fsync; Kafka with its
defaults answers from the page cache; a third column is Kafka with `log.flush.interval.messages=1`. CPU and memory
of the brokers are the operating system's figures. A ratio counts only within a row: client and brokers share the
machine's cores, and the disk is a virtual one. Where an aim names no figure of another, it is absolute.
";

const NOT_THERE_YET: &str = "
## What is not measured

What is not there yet has no row: replication to other nodes, compaction, state and timers of functions, and the
Iceberg catalog.
";

fn shown(spread: Spread) -> String {
    let digits = match spread.median.abs() {
        m if m >= 100.0 => 0,
        m if m >= 10.0 => 1,
        _ => 2,
    };
    format!("**{:.digits$}** ({:.digits$}–{:.digits$})", spread.median, spread.min, spread.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Who;

    #[test]
    fn a_missed_aim_says_so() -> anyhow::Result<()> {
        let mut report = Report::default();
        report.add("produce.1.rate", Who::TIDEMILL, 140.0)?;
        report.add("produce.1.rate", Who::KAFKA, 100.0)?;
        report.add("produce.1.rate", Who::KAFKA_FLUSH, 10.0)?;
        report.failed("latency with Kafka: no disk");
        let command = "make bench".to_owned();
        let run = Run { rounds: 1, command, arguments: " --rounds 1".into(), day: "2026-01-01".into() };
        let page = page(&report, &Machine { line: "1 core".into() }, &run);
        assert!(page.contains("1.40 × missed; 14.00 × ✓"), "{page}");
        assert!(page.contains("`bench/run.sh --only produce --rounds 1`"), "{page}");
        assert!(page.contains("- latency with Kafka: no disk"), "{page}");
        assert!(!page.contains("open loop"), "{page}");
        Ok(())
    }
}
