//! `tidemill function`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use tidemill_http_server::api::{
    DeployFunction, FunctionDetail, FunctionLimits, LogLine, LogQuery, UploadedModule,
};

use super::topic::print_table;
use super::{RestArgs, key_value, print_json, print_line};
use crate::rest::Rest;
use crate::table::{Table, human_bytes};

/// How often `logs --follow` asks for more.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

/// Arguments of `tidemill function`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  tidemill function deploy late-flights --wasm late_flights.wasm --input flights --output flights.late
  tidemill function deploy webhook --wasm webhook.wasm --input flights.late \\
      --set url=http://127.0.0.1:9000/hook --allow-http 127.0.0.1:9000 --on-error dead-letter
  tidemill function list
  tidemill function logs late-flights --follow
  tidemill function pause webhook")]
pub struct Args {
    #[command(flatten)]
    rest: RestArgs,
    #[command(subcommand)]
    command: FunctionCommand,
}

#[derive(Subcommand)]
enum FunctionCommand {
    /// Upload a module and run it, or a new version of it, on its input topics.
    Deploy(DeployArgs),
    /// List all functions.
    List,
    /// Show a function with its position on each input partition.
    Describe {
        /// The function's name.
        name: String,
    },
    /// Print what a function logged.
    Logs {
        /// The function's name.
        name: String,
        /// Go on printing.
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop calling a function; it keeps its positions.
    Pause {
        /// The function's name.
        name: String,
    },
    /// Run a paused function, or one that stopped at a record, again.
    Resume {
        /// The function's name.
        name: String,
    },
    /// Remove a function and its positions.
    Delete {
        /// The function's name.
        name: String,
    },
}

#[derive(clap::Args)]
struct DeployArgs {
    /// The function's name.
    name: String,
    /// The module: a WebAssembly component.
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    /// An input topic; may be given several times.
    #[arg(long = "input", value_name = "TOPIC", required = true)]
    inputs: Vec<String>,
    /// An output topic; the module numbers them in this order.
    #[arg(long = "output", value_name = "TOPIC")]
    outputs: Vec<String>,
    /// Config that the module reads.
    #[arg(long = "set", value_name = "K=V", value_parser = key_value)]
    config: Vec<(String, String)>,
    /// A host that a sink may call over HTTP; nothing else can be reached.
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_http: Vec<String>,
    /// What to do with a record that makes the function fail.
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    on_error: OnError,
    /// Where to begin on a partition not seen before.
    #[arg(long, value_enum, default_value_t = Start::Earliest)]
    start: Start,
    /// Most memory of one instance, in bytes.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// Most time of one call, in milliseconds.
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// Most output of one call, in bytes.
    #[arg(long, value_name = "BYTES")]
    output_bytes: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnError {
    /// Stand still until somebody acts.
    Stop,
    /// Leave the record out.
    Skip,
    /// Write the record to INPUT.FUNCTION.dlq.
    DeadLetter,
}

#[derive(Clone, Copy, ValueEnum)]
enum Start {
    /// At the oldest record.
    Earliest,
    /// At the end.
    Latest,
}

/// Runs `tidemill function`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let rest = Rest::new(&args.rest.http_addr)?;
    let json = args.rest.json;
    match args.command {
        FunctionCommand::Deploy(deploy) => deploy_module(&rest, json, deploy).await,
        FunctionCommand::List => {
            let functions: Vec<FunctionDetail> = rest.get(&["functions"], &()).await?;
            if json { print_json(&functions) } else { print_list(&functions) }
        }
        FunctionCommand::Describe { name } => {
            let function: FunctionDetail = rest.get(&["functions", &name], &()).await?;
            if json { print_json(&function) } else { print_detail(&function) }
        }
        FunctionCommand::Logs { name, follow } => print_logs(&rest, json, &name, follow).await,
        FunctionCommand::Pause { name } => change(&rest, json, &name, "pause").await,
        FunctionCommand::Resume { name } => change(&rest, json, &name, "resume").await,
        FunctionCommand::Delete { name } => {
            rest.delete(&["functions", &name]).await?;
            if json { Ok(()) } else { print_line(&format!("deleted {name}")) }
        }
    }
}

async fn deploy_module(rest: &Rest, json: bool, args: DeployArgs) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(&args.wasm).with_context(|| format!("{} cannot be read", args.wasm.display()))?;
    let module: UploadedModule = rest.upload(&["modules"], bytes).await?;
    let body = DeployFunction {
        module_sha256: module.sha256.clone(),
        inputs: args.inputs,
        outputs: args.outputs,
        config: args.config.into_iter().collect(),
        allow_http: args.allow_http,
        on_error: value_name(args.on_error),
        start: value_name(args.start),
        limits: FunctionLimits {
            memory_bytes: args.memory_bytes,
            deadline_ms: args.deadline_ms,
            output_bytes: args.output_bytes,
        },
    };
    let function: FunctionDetail = rest.send(Method::PUT, &["functions", &args.name], &body).await?;
    if json {
        return print_json(&function);
    }
    print_line(&format!(
        "deployed {} version {} ({}, {}, sha256 {})",
        function.name,
        function.version,
        function.kind,
        human_bytes(module.size_bytes),
        module.sha256.chars().take(12).collect::<String>(),
    ))
}

fn value_name(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

async fn change(rest: &Rest, json: bool, name: &str, action: &str) -> anyhow::Result<()> {
    let function: FunctionDetail = rest.post(&["functions", name, action], &()).await?;
    if json { print_json(&function) } else { print_line(&format!("{}: {}", function.name, function.status)) }
}

async fn print_logs(rest: &Rest, json: bool, name: &str, follow: bool) -> anyhow::Result<()> {
    let mut from = 0;
    loop {
        let lines: Vec<LogLine> = rest.get(&["functions", name, "logs"], &LogQuery { from }).await?;
        for line in &lines {
            from = from.max(line.sequence + 1);
            if json {
                print_json(line)?;
            } else {
                print_line(&format!("{} {:<5} {}", line.timestamp_ms, line.level, line.message))?;
            }
        }
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

fn print_list(functions: &[FunctionDetail]) -> anyhow::Result<()> {
    let mut table = Table::new(&["FUNCTION", "KIND", "VERSION", "STATUS", "LAG", "INPUT", "OUTPUT"]);
    for function in functions {
        let lag: i64 = function.instances.iter().map(|instance| instance.lag).sum();
        table.row(vec![
            function.name.clone(),
            function.kind.clone(),
            function.version.to_string(),
            function.status.clone(),
            lag.to_string(),
            function.inputs.join(","),
            function.outputs.join(","),
        ]);
    }
    print_table(&table)
}

fn print_detail(function: &FunctionDetail) -> anyhow::Result<()> {
    print_line(&format!(
        "{}  ({}, version {}, {})",
        function.name, function.kind, function.version, function.status
    ))?;
    print_line(&format!("module      {}", function.module_sha256))?;
    print_line(&format!("inputs      {}", function.inputs.join(", ")))?;
    print_line(&format!("outputs     {}", function.outputs.join(", ")))?;
    print_line(&format!("on error    {}", function.on_error))?;
    print_line(&format!("may call    {}", function.allow_http.join(", ")))?;
    for (key, value) in &function.config {
        print_line(&format!("config      {key}={value}"))?;
    }
    print_line("")?;
    let mut table = Table::new(&["TOPIC", "PARTITION", "POSITION", "LAG", "ERROR"]);
    for instance in &function.instances {
        table.row(vec![
            instance.topic.clone(),
            instance.partition.to_string(),
            instance.position.to_string(),
            instance.lag.to_string(),
            instance.error.clone().unwrap_or_default(),
        ]);
    }
    print_table(&table)
}
