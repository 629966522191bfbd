//! The `tidemill` binary: `serve` runs the broker, everything else is a client of one.
//!
//! Topics, functions and the archive are managed over the REST API; `produce` and `consume` speak
//! the Kafka protocol as any other client does.

mod commands;
mod rest;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

// Batches are large and short-lived: an allocator that keeps memory saves the system time that
// returning it to the kernel and faulting it in again would cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An event platform in one binary: Kafka protocol, Parquet archive, WebAssembly functions.
#[derive(Parser)]
#[command(name = "tidemill", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker.
    Serve(commands::serve::Args),
    /// Create, list, describe, alter and delete topics.
    Topic(commands::topic::Args),
    /// Write records, one per line of standard input.
    Produce(commands::produce::Args),
    /// Print the records of a topic.
    Consume(commands::consume::Args),
    /// Deploy and look after WebAssembly functions.
    Function(commands::function::Args),
    /// Look at the Parquet archive, seal into it, verify it.
    Archive(commands::archive::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => commands::serve::run(args),
        Command::Topic(args) => commands::block_on(commands::topic::run(args)),
        Command::Produce(args) => commands::block_on(commands::produce::run(args)),
        Command::Consume(args) => commands::block_on(commands::consume::run(args)),
        Command::Function(args) => commands::block_on(commands::function::run(args)),
        Command::Archive(args) => commands::block_on(commands::archive::run(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that closed the pipe early, such as `head`, is not a failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
