//! `tidemill topic`

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use tidemill_http_server::api::{AlterTopic, CreateTopic, TopicDetail, TopicSummary};

use super::{RestArgs, key_value, print_json, print_line};
use crate::rest::Rest;
use crate::table::Table;

/// Arguments of `tidemill topic`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  tidemill topic create flights --partitions 4 --config retention.ms=604800000
  tidemill topic list
  tidemill topic describe flights
  tidemill topic alter flights --partitions 8 --config segment.bytes=67108864
  tidemill topic delete flights")]
pub struct Args {
    #[command(flatten)]
    rest: RestArgs,
    #[command(subcommand)]
    command: TopicCommand,
}

#[derive(Subcommand)]
enum TopicCommand {
    /// Create a topic.
    Create {
        /// The topic's name.
        name: String,
        /// How many partitions [default: the broker's num.partitions].
        #[arg(long)]
        partitions: Option<i32>,
        /// A Kafka topic config; may be given several times.
        #[arg(long = "config", value_name = "NAME=VALUE", value_parser = key_value)]
        configs: Vec<(String, String)>,
        /// Succeed if the topic exists already.
        #[arg(long)]
        if_not_exists: bool,
    },
    /// List all topics.
    List,
    /// Show a topic's partitions and configs.
    Describe {
        /// The topic's name.
        name: String,
    },
    /// Change a topic's configs or raise its partition count.
    Alter {
        /// The topic's name.
        name: String,
        /// The new, larger partition count.
        #[arg(long)]
        partitions: Option<i32>,
        /// A config to set.
        #[arg(long = "config", value_name = "NAME=VALUE", value_parser = key_value)]
        configs: Vec<(String, String)>,
        /// A config to reset to its default.
        #[arg(long = "delete-config", value_name = "NAME")]
        delete_configs: Vec<String>,
    },
    /// Delete a topic with everything in it.
    Delete {
        /// The topic's name.
        name: String,
    },
}

/// Runs `tidemill topic`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let rest = Rest::new(&args.rest.http_addr)?;
    let json = args.rest.json;
    match args.command {
        TopicCommand::Create { name, partitions, configs, if_not_exists } => {
            let body = CreateTopic { name, partitions, configs: configs.into_iter().collect() };
            let created: anyhow::Result<TopicDetail> = rest.send(Method::POST, &["topics"], &body).await;
            let topic = match created {
                Err(error) if if_not_exists && error.to_string().contains("TOPIC_ALREADY_EXISTS") => {
                    rest.get(&["topics", &body.name], &()).await?
                }
                other => other?,
            };
            if json {
                return print_json(&topic);
            }
            print_line(&format!("created {} with {} partitions", topic.name, topic.partitions.len()))
        }
        TopicCommand::List => {
            let topics: Vec<TopicSummary> = rest.get(&["topics"], &()).await?;
            if json { print_json(&topics) } else { print_list(&topics) }
        }
        TopicCommand::Describe { name } => {
            let topic: TopicDetail = rest.get(&["topics", &name], &()).await?;
            if json { print_json(&topic) } else { print_detail(&topic) }
        }
        TopicCommand::Alter { name, partitions, configs, delete_configs } => {
            let set = configs.into_iter().map(|(name, value)| (name, Some(value)));
            let reset = delete_configs.into_iter().map(|name| (name, None));
            let body = AlterTopic { partitions, configs: set.chain(reset).collect() };
            if body == AlterTopic::default() {
                bail!("nothing to alter: give --partitions, --config or --delete-config");
            }
            let topic: TopicDetail = rest.send(Method::PATCH, &["topics", &name], &body).await?;
            if json { print_json(&topic) } else { print_line(&format!("altered {}", topic.name)) }
        }
        TopicCommand::Delete { name } => {
            rest.delete(&["topics", &name]).await?;
            if json { Ok(()) } else { print_line(&format!("deleted {name}")) }
        }
    }
}

fn print_list(topics: &[TopicSummary]) -> anyhow::Result<()> {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "OFFSETS"]);
    for topic in topics {
        table.row(vec![topic.name.clone(), topic.partitions.to_string(), topic.offsets.to_string()]);
    }
    print_table(&table)
}

fn print_detail(topic: &TopicDetail) -> anyhow::Result<()> {
    print_line(&format!("{}  (id {})\n", topic.name, topic.id))?;
    let mut table = Table::new(&["PARTITION", "JOURNAL", "START", "ARCHIVED", "END"]);
    for part in &topic.partitions {
        table.row(vec![
            part.partition.to_string(),
            part.journal.to_string(),
            part.log_start_offset.to_string(),
            part.archived_end.to_string(),
            part.high_watermark.to_string(),
        ]);
    }
    print_table(&table)?;
    print_line("")?;
    let mut table = Table::new(&["CONFIG", "VALUE", ""]);
    for config in &topic.configs {
        let mark = if config.default { "" } else { "set" };
        table.row(vec![config.name.clone(), config.value.clone(), mark.to_owned()]);
    }
    print_table(&table)
}

/// Prints a table line by line.
pub fn print_table(table: &Table) -> anyhow::Result<()> {
    table.lines().iter().try_for_each(|line| print_line(line))
}
