//! `tidemill consume`: prints the records of a topic.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use serde_json::json;
use tidemill_client::{Cluster, Connection};
use tidemill_records::{HEADER_BYTES, Record, RecordBatch, Records};
use tokio::sync::mpsc;

use super::print_line;

/// Most bytes asked for at once.
const FETCH_BYTES: i32 = 4 << 20;
/// How long the broker may wait for something to answer.
const FETCH_WAIT_MS: i32 = 500;
/// Largest decompressed batch taken.
const MAX_SECTION_BYTES: usize = 1 << 30;
/// Printed lines on their way from the partitions' readers.
const LINES_AHEAD: usize = 1024;

/// ListOffsets' special timestamps.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Arguments of `tidemill consume`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  tidemill consume greetings --from-beginning
  tidemill consume clicks --from-beginning --exit --json
  tidemill consume clicks --partition 0 --offset 100 --max-messages 10 --print-key")]
pub struct Args {
    /// The topic.
    topic: String,
    /// Address of the broker.
    #[arg(long, value_name = "HOST:PORT", env = "TIDEMILL_KAFKA_ADDR", default_value = "127.0.0.1:9092")]
    kafka_addr: String,
    /// Only this partition.
    #[arg(long)]
    partition: Option<i32>,
    /// Begin with the oldest record instead of the next new one.
    #[arg(long, conflicts_with = "offset")]
    from_beginning: bool,
    /// Begin at this offset (with --partition).
    #[arg(long, requires = "partition")]
    offset: Option<i64>,
    /// Stop after this many records.
    #[arg(long, short = 'n')]
    max_messages: Option<u64>,
    /// Stop at the end of each partition, as of now, instead of waiting for more.
    #[arg(long, short = 'e')]
    exit: bool,
    /// Print the key and a tab before each value.
    #[arg(long)]
    print_key: bool,
    /// Print each record as a JSON object with offset, timestamp and headers.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy)]
enum Format {
    Value,
    KeyAndValue,
    Json,
}

/// Runs `tidemill consume`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&args.kafka_addr, "tidemill-consume").await?;
    let leaders = cluster.leaders(&args.topic, false).await?;
    let format = match (args.json, args.print_key) {
        (true, _) => Format::Json,
        (false, true) => Format::KeyAndValue,
        (false, false) => Format::Value,
    };
    let (sender, mut lines) = mpsc::channel(LINES_AHEAD);
    let mut readers = 0;
    for (number, leader) in (0_i32..).zip(leaders) {
        if args.partition.is_some_and(|only| only != number) {
            continue;
        }
        let reader = Reader::start(&args, leader, number, format).await?;
        tokio::spawn(reader.run(sender.clone()));
        readers += 1;
    }
    drop(sender);
    if readers == 0 {
        bail!("topic {} has no partition {}", args.topic, args.partition.unwrap_or(0));
    }
    let mut left = args.max_messages.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(line) = lines.recv().await else { break };
        print_line(&line?)?;
        left -= 1;
    }
    Ok(())
}

/// Reads one partition.
struct Reader {
    leader: Connection,
    topic: String,
    partition: i32,
    offset: i64,
    end: Option<i64>,
    format: Format,
}

impl Reader {
    async fn start(args: &Args, leader: Connection, partition: i32, format: Format) -> anyhow::Result<Self> {
        let special = if args.from_beginning { EARLIEST } else { LATEST };
        let offset = match args.offset {
            Some(offset) => offset,
            None => leader.list_offset(&args.topic, partition, special).await?,
        };
        let end =
            if args.exit { Some(leader.list_offset(&args.topic, partition, LATEST).await?) } else { None };
        Ok(Self { leader, topic: args.topic.clone(), partition, offset, end, format })
    }

    async fn run(mut self, lines: mpsc::Sender<anyhow::Result<String>>) {
        if let Err(error) = self.read(&lines).await {
            // The receiver is gone when enough was printed, and then nobody wants the error.
            drop(lines.send(Err(error)).await);
        }
    }

    async fn read(&mut self, lines: &mpsc::Sender<anyhow::Result<String>>) -> anyhow::Result<()> {
        while self.end.is_none_or(|end| self.offset < end) {
            let fetched = self
                .leader
                .fetch(&self.topic, self.partition, self.offset, FETCH_BYTES, FETCH_WAIT_MS)
                .await?;
            let mut rest = fetched.records;
            while is_whole_batch(&rest) {
                let batch = RecordBatch::split(&mut rest)?;
                let next_offset = batch.next_offset();
                for line in self.format_batch(&batch)? {
                    if lines.send(Ok(line)).await.is_err() {
                        return Ok(());
                    }
                }
                self.offset = self.offset.max(next_offset);
            }
        }
        Ok(())
    }

    /// The lines of a batch's records from the wanted offset on; control batches have none.
    fn format_batch(&self, batch: &RecordBatch) -> anyhow::Result<Vec<String>> {
        let where_ = || format!("{} partition {} offset {}", self.topic, self.partition, batch.base_offset());
        batch.verify_crc().with_context(where_)?;
        if batch.is_control() {
            return Ok(Vec::new());
        }
        let section = batch.uncompressed_records(MAX_SECTION_BYTES).with_context(where_)?;
        let mut lines =
            Vec::with_capacity(usize::try_from(batch.record_count()).unwrap_or(0).min(section.len()));
        for record in Records::new(&section, batch.record_count()) {
            let record = record.with_context(where_)?;
            let offset = batch.offset_of(&record);
            if offset >= self.offset && self.end.is_none_or(|end| offset < end) {
                lines.push(self.format_record(batch, &record)?);
            }
        }
        Ok(lines)
    }

    fn format_record(&self, batch: &RecordBatch, record: &Record<'_>) -> anyhow::Result<String> {
        let mut line = String::new();
        match self.format {
            Format::Json => {
                let headers: Vec<_> =
                    record.headers.iter().map(|(key, value)| json!([text(Some(key)), text(value)])).collect();
                let object = json!({
                    "topic": self.topic,
                    "partition": self.partition,
                    "offset": batch.offset_of(record),
                    "timestamp": batch.timestamp_of(record),
                    "key": text(record.key),
                    "value": text(record.value),
                    "headers": headers,
                });
                line.push_str(&object.to_string());
            }
            Format::KeyAndValue => {
                let key = text(record.key).unwrap_or_else(|| "null".to_owned());
                write!(line, "{key}\t{}", text(record.value).unwrap_or_else(|| "null".to_owned()))?;
            }
            Format::Value => line.push_str(&text(record.value).unwrap_or_else(|| "null".to_owned())),
        }
        Ok(line)
    }
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Kafka may cut the last batch of an answer short: 12 bytes of offset and length, then the batch.
fn is_whole_batch(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES
        && bytes
            .get(8..12)
            .and_then(|length| <[u8; 4]>::try_from(length).ok())
            .and_then(|length| usize::try_from(i32::from_be_bytes(length)).ok())
            .is_some_and(|length| bytes.len() - 12 >= length)
}
