//! One module per command.

pub mod archive;
pub mod consume;
pub mod function;
pub mod produce;
pub mod serve;
pub mod topic;

use std::future::Future;
use std::io::Write;

use anyhow::Context;
use serde::Serialize;

/// Runs a client command; one thread is plenty for it.
pub fn block_on(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime did not start")?
        .block_on(future)
}

/// Where the broker's REST API is, and how to print.
#[derive(clap::Args, Clone)]
pub struct RestArgs {
    /// Address of the broker's HTTP server.
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "TIDEMILL_HTTP_ADDR",
        default_value = "127.0.0.1:8080"
    )]
    pub http_addr: String,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints a line; unlike `println!` it answers an error where the reader is gone.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Splits `KEY=VALUE` for clap.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is not of the form KEY=VALUE"))
}
