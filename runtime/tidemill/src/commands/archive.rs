//! `tidemill archive`

use anyhow::bail;
use clap::Subcommand;
use tidemill_http_server::api::{
    ArchiveStatus, SealQuery, SealResult, StatusQuery, TopicSummary, VerifyResult,
};

use super::topic::print_table;
use super::{RestArgs, print_json, print_line};
use crate::rest::Rest;
use crate::table::{Table, human_bytes};

/// Arguments of `tidemill archive`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  tidemill archive status
  tidemill archive status flights --files
  tidemill archive seal flights --wait
  tidemill archive verify flights

Query the live objects with DuckDB:
  tidemill archive status flights --files --json \\
    | jq -r '.[].partitions[].objects[].location' > files
  duckdb -c \"select count(*) from read_parquet(['$(paste -sd, files | sed \"s/,/','/g\")'])\"")]
pub struct Args {
    #[command(flatten)]
    rest: RestArgs,
    #[command(subcommand)]
    command: ArchiveCommand,
}

#[derive(Subcommand)]
enum ArchiveCommand {
    /// Show how much of each partition is archived.
    Status {
        /// The topic; all topics if left out.
        topic: Option<String>,
        /// List the live objects: exactly these make up the archived part of the topic.
        #[arg(long)]
        files: bool,
    },
    /// Archive what is hot now.
    Seal {
        /// The topic.
        topic: String,
        /// Return only when everything written before is in the archive.
        #[arg(long)]
        wait: bool,
    },
    /// Read every live object of a topic and check it.
    Verify {
        /// The topic.
        topic: String,
    },
}

/// Runs `tidemill archive`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let rest = Rest::new(&args.rest.http_addr)?;
    let json = args.rest.json;
    match args.command {
        ArchiveCommand::Status { topic, files } => {
            let names = match topic {
                Some(topic) => vec![topic],
                None => {
                    let topics: Vec<TopicSummary> = rest.get(&["topics"], &()).await?;
                    topics.into_iter().map(|topic| topic.name).collect()
                }
            };
            let mut statuses: Vec<ArchiveStatus> = Vec::with_capacity(names.len());
            for name in &names {
                statuses.push(rest.get(&["archive", name], &StatusQuery { files }).await?);
            }
            if json { print_json(&statuses) } else { print_status(&statuses, files) }
        }
        ArchiveCommand::Seal { topic, wait } => {
            let sealed: SealResult = rest.post(&["archive", &topic, "seal"], &SealQuery { wait }).await?;
            if json {
                return print_json(&sealed);
            }
            let done = if sealed.complete { "archived" } else { "sealing" };
            print_line(&format!("{topic}: {done}"))
        }
        ArchiveCommand::Verify { topic } => {
            let result: VerifyResult = rest.post(&["archive", &topic, "verify"], &()).await?;
            if json {
                print_json(&result)?;
            } else {
                let size = human_bytes(result.bytes);
                print_line(&format!(
                    "{topic}: {} objects, {} rows, {size} read",
                    result.objects, result.rows
                ))?;
                result.problems.iter().try_for_each(|problem| print_line(&format!("  {problem}")))?;
            }
            if result.problems.is_empty() { Ok(()) } else { bail!("{} problems", result.problems.len()) }
        }
    }
}

fn print_status(statuses: &[ArchiveStatus], files: bool) -> anyhow::Result<()> {
    let mut table = Table::new(&["TOPIC", "PARTITION", "START", "ARCHIVED", "END", "OBJECTS", "SIZE"]);
    for status in statuses {
        for part in &status.partitions {
            table.row(vec![
                status.topic.clone(),
                part.partition.to_string(),
                part.log_start_offset.to_string(),
                part.archived_end.to_string(),
                part.high_watermark.to_string(),
                part.object_count.to_string(),
                human_bytes(part.object_bytes),
            ]);
        }
    }
    print_table(&table)?;
    if !files {
        return Ok(());
    }
    print_line("")?;
    let mut table = Table::new(&["FIRST", "LAST", "ROWS", "SIZE", "LOCATION"]);
    for object in statuses.iter().flat_map(|status| &status.partitions).flat_map(|part| &part.objects) {
        table.row(vec![
            object.base_offset.to_string(),
            object.last_offset.to_string(),
            object.rows.to_string(),
            human_bytes(object.length_bytes),
            object.location.clone(),
        ]);
    }
    print_table(&table)
}
