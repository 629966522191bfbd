//! Measures Tidemill beside Apache Kafka: the real brokers as processes on this machine, one load
//! client for all, in rounds of one after another, and a table of medians and ratios at the end.

mod load;
mod peer;
mod report;
mod scenario;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;

use crate::peer::Kind;
use crate::report::{Machine, Report, Run, page};
use crate::scenario::{Effort, SCENARIOS, Scenario};

/// Measure Tidemill beside Apache Kafka on this machine.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  bench/run.sh                              everything, three rounds; writes docs/benchmarks.md\n  \
                        bench/run.sh --only produce,latency       two scenarios\n  \
                        bench/run.sh --only steady --steady-seconds 600"
)]
struct Args {
    /// Rounds; in each, every broker is measured in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of each throughput and latency measurement, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Length of the steady state, in seconds.
    #[arg(long, default_value_t = 600)]
    steady_seconds: u64,
    /// Scenarios to run, with commas between them; all if not given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Brokers to measure (tidemill, kafka, kafka-flush), with commas between them; all if not given.
    #[arg(long, value_delimiter = ',')]
    brokers: Vec<Kind>,
    /// Where data goes; a folder on the disk that is to be measured.
    #[arg(long, default_value = ".work/bench")]
    dir: PathBuf,
    /// Where the page is written.
    #[arg(long)]
    page: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let scenarios = chosen(&args.only)?;
    std::fs::create_dir_all(&args.dir)?;
    let dir = tempfile::tempdir_in(std::path::absolute(&args.dir)?)?;
    let effort =
        Effort { load: Duration::from_secs(args.seconds), steady: Duration::from_secs(args.steady_seconds) };
    let mut report = Report::default();
    for round in 1..=args.rounds {
        println!("\n==== round {round} of {}", args.rounds);
        for scenario in &scenarios {
            // The steady state is long enough to speak for itself.
            if scenario.name != "steady" || round == 1 {
                scenario.run(dir.path(), effort, &args.brokers, round % 2 == 0, &mut report)?;
            }
        }
    }
    let run = Run { rounds: args.rounds, command: command(), day: today()? };
    let text = page(&report, &Machine::look(), &run);
    println!("\n{text}");
    if let Some(path) = args.page {
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    for name in only {
        ensure!(
            names.contains(&name.as_str()),
            "there is no scenario {name}; there are {}",
            names.join(", ")
        );
    }
    let wanted = |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

/// The command as a person would type it.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut shown = vec!["bench/run.sh".to_owned()];
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // run.sh adds it.
            "--page" => drop(arguments.next()),
            _ => shown.push(argument),
        }
    }
    shown.join(" ")
}

fn today() -> anyhow::Result<String> {
    let output = std::process::Command::new("date").arg("+%F").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
