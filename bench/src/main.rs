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

use crate::peer::{Kind, Place};
use crate::report::{Machine, Report, Run, Speedometer, page};
use crate::scenario::{Effort, SCENARIOS, Scenario};

const ROUNDS: usize = 3;
const SECONDS: u64 = 10;
// A thousand requests a second: 30 of them are beyond the 99.9th percentile.
const LATENCY_SECONDS: u64 = 30;
const STEADY_SECONDS: u64 = 600;

// What the broker uses: codecs are measured within this process, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure Tidemill beside Apache Kafka on this machine.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  bench/run.sh                              everything, three rounds; writes docs/benchmarks.md\n  \
                        bench/run.sh --only produce,latency       two scenarios\n  \
                        bench/run.sh --only steady --steady-seconds 600"
)]
struct Args {
    /// Rounds; in each, every broker is measured in turn.
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// Length of each throughput measurement, in seconds.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// Length of each measurement of latency at a fixed rate, in seconds.
    #[arg(long, default_value_t = LATENCY_SECONDS)]
    latency_seconds: u64,
    /// Length of the steady state, in seconds.
    #[arg(long, default_value_t = STEADY_SECONDS)]
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
    /// Where the page is written at the end; page.md where data goes has what is measured so far.
    #[arg(long)]
    page: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let scenarios = chosen(&args.only)?;
    let run = Run { rounds: args.rounds, command: command(), arguments: arguments(&args), day: today()? };
    let logs = std::path::absolute(args.dir.join("logs"))?;
    std::fs::create_dir_all(&logs)?;
    let data = tempfile::tempdir_in(std::path::absolute(&args.dir)?)?;
    let place = Place { data: data.path().to_owned(), logs };
    let effort = Effort {
        load: Duration::from_secs(args.seconds),
        latency: Duration::from_secs(args.latency_seconds),
        steady: Duration::from_secs(args.steady_seconds),
    };
    let (mut report, mut meter) = (Report::default(), Speedometer::new()?);
    for round in 1..=args.rounds {
        println!("\n==== round {round} of {}", args.rounds);
        report.begin_round(round);
        for scenario in &scenarios {
            // The steady state is long enough to speak for itself.
            if scenario.name != "steady" || round == 1 {
                scenario.run(&place, effort, &args.brokers, round % 2 == 0, &mut meter, &mut report);
            }
            // Each time: what was measured in an hour shall not be lost in the next.
            std::fs::write(args.dir.join("page.md"), page(&report, &Machine::look(), &run))?;
        }
    }
    let whole = page(&report, &Machine::look(), &run);
    println!("\n{whole}");
    if let Some(path) = &args.page {
        std::fs::write(path, whole)?;
    }
    ensure!(report.failures().is_empty(), "{} measurements failed", report.failures().len());
    Ok(())
}

/// What has to be said for a scenario alone to be measured as in this run.
fn arguments(args: &Args) -> String {
    let mut said = String::new();
    for (name, value, default) in [
        ("rounds", args.rounds as u64, ROUNDS as u64),
        ("seconds", args.seconds, SECONDS),
        ("latency-seconds", args.latency_seconds, LATENCY_SECONDS),
        ("steady-seconds", args.steady_seconds, STEADY_SECONDS),
    ] {
        if value != default {
            said.push_str(&format!(" --{name} {value}"));
        }
    }
    said
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
    if shown.len() == 1 { "make bench".to_owned() } else { shown.join(" ") }
}

fn today() -> anyhow::Result<String> {
    let output = std::process::Command::new("date").arg("+%F").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
