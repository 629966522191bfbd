//! Checks the history of a run that was kept.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tidemill_checker::{Report, history};

fn main() -> anyhow::Result<ExitCode> {
    let path: PathBuf = std::env::args_os().nth(1).context("usage: tidemill-checker HISTORY")?.into();
    let report = Report::of(&history::read(&path)?);
    print!("{report}");
    Ok(if report.anomalies().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
