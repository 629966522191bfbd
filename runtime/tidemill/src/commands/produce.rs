//! `tidemill produce`: one record per line of standard input.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use kafka_protocol::messages::ProduceRequest;
use tidemill_client::{Cluster, Connection, Pending};
use tidemill_records::{BatchBuilder, BatchFacts, Compression, partition_for_key};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use super::print_line;

/// A partition's batch is sent when its records take this much.
const BATCH_BYTES: usize = 256 << 10;
/// Batches on their way at once.
const MAX_IN_FLIGHT: usize = 16;
/// Lines read ahead of the batches they go into.
const LINES_AHEAD: usize = 4096;

/// Arguments of `tidemill produce`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  echo 'hello' | tidemill produce greetings
  printf 'user1\\t{\"n\":1}\\n' | tidemill produce clicks --key-separator $'\\t'
  tidemill produce lines --compression zstd < big.txt")]
pub struct Args {
    /// The topic; created if the broker creates topics automatically.
    topic: String,
    /// Address of the broker.
    #[arg(long, value_name = "HOST:PORT", env = "TIDEMILL_KAFKA_ADDR", default_value = "127.0.0.1:9092")]
    kafka_addr: String,
    /// The partition; by the key's hash, or in turn without keys, if left out.
    #[arg(long)]
    partition: Option<i32>,
    /// What stands between key and value in each line; without it lines are values.
    #[arg(long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, value_parser = parse_compression, default_value = "none")]
    compression: Compression,
}

fn parse_compression(name: &str) -> Result<Compression, String> {
    match name {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd),
        _ => Err("expected none, gzip, snappy, lz4 or zstd".to_owned()),
    }
}

/// Runs `tidemill produce`.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&args.kafka_addr, "tidemill-produce").await?;
    let leaders = cluster.leaders(&args.topic, true).await?;
    if let Some(partition) = args.partition
        && usize::try_from(partition).map_or(true, |number| number >= leaders.len())
    {
        bail!("topic {} has partitions 0 to {}, not {partition}", args.topic, leaders.len() - 1);
    }
    let mut sender = Sender::new(&args, leaders)?;
    let mut lines = read_lines();
    while let Some(line) = next_line(&mut lines, &mut sender).await? {
        sender.push(line.as_slice()).await?;
    }
    let count = sender.finish().await?;
    print_line(&format!("{count} records written to {}", args.topic))
}

/// Reads standard input in a task of its own, so that waiting for a line never delays a batch.
fn read_lines() -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        let mut input = BufReader::new(tokio::io::stdin());
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line).await;
            let end = !matches!(read, Ok(1..));
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            let item = match read {
                Ok(0) => break,
                Ok(_) => Ok(line),
                Err(error) => Err(error),
            };
            if sender.send(item).await.is_err() || end {
                break;
            }
        }
    });
    receiver
}

/// The next line. Where none is waiting, what was gathered is sent first: a person typing sees each
/// line written at once, a file goes out in large batches.
async fn next_line(
    lines: &mut mpsc::Receiver<std::io::Result<Vec<u8>>>,
    sender: &mut Sender,
) -> anyhow::Result<Option<Vec<u8>>> {
    let line = match lines.try_recv() {
        Ok(line) => Some(line),
        Err(_) => {
            sender.flush().await?;
            lines.recv().await
        }
    };
    line.transpose().context("standard input cannot be read")
}

struct Sender {
    topic: String,
    compression: Compression,
    key_separator: Option<Vec<u8>>,
    fixed_partition: Option<i32>,
    partitions: Vec<Partition>,
    next_unkeyed: usize,
    in_flight: VecDeque<(i32, Pending<ProduceRequest>)>,
    count: u64,
}

struct Partition {
    leader: Connection,
    batch: Option<Gathering>,
}

struct Gathering {
    builder: BatchBuilder,
    base_timestamp: i64,
}

impl Sender {
    fn new(args: &Args, leaders: Vec<Connection>) -> anyhow::Result<Self> {
        let key_separator = args.key_separator.as_ref().map(|text| text.clone().into_bytes());
        if key_separator.as_ref().is_some_and(Vec::is_empty) {
            bail!("--key-separator must not be empty");
        }
        Ok(Self {
            topic: args.topic.clone(),
            compression: args.compression,
            key_separator,
            fixed_partition: args.partition,
            partitions: leaders.into_iter().map(|leader| Partition { leader, batch: None }).collect(),
            next_unkeyed: 0,
            in_flight: VecDeque::new(),
            count: 0,
        })
    }

    async fn push(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let (key, value) = split_key(line, self.key_separator.as_deref())
            .with_context(|| format!("line {} has no key separator", self.count + 1))?;
        let number = self.choose(key)?;
        let partition = self.partitions.get_mut(number).context("the topic has no such partition")?;
        let now_ms = now_ms()?;
        let gathering = partition.batch.get_or_insert_with(|| Gathering {
            builder: BatchBuilder::new(BatchFacts { base_timestamp: now_ms, ..BatchFacts::default() }),
            base_timestamp: now_ms,
        });
        let offset_delta = gathering.builder.record_count();
        gathering.builder.push(offset_delta, now_ms - gathering.base_timestamp, key, Some(value), &[]);
        self.count += 1;
        if gathering.builder.section_bytes() >= BATCH_BYTES {
            self.send(number).await?;
        }
        Ok(())
    }

    fn choose(&mut self, key: Option<&[u8]>) -> anyhow::Result<usize> {
        let count = i32::try_from(self.partitions.len())?;
        Ok(match (self.fixed_partition, key) {
            (Some(partition), _) => usize::try_from(partition)?,
            (None, Some(key)) => usize::try_from(partition_for_key(key, count))?,
            (None, None) => self.next_unkeyed % self.partitions.len(),
        })
    }

    async fn send(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(partition) = self.partitions.get_mut(number) else {
            return Ok(());
        };
        let Some(gathering) = partition.batch.take() else {
            return Ok(());
        };
        let batch = gathering.builder.build(self.compression)?.into_bytes();
        let index = i32::try_from(number)?;
        let pending = partition.leader.send_batch(&self.topic, index, batch).await?;
        self.in_flight.push_back((index, pending));
        // Unkeyed records stay with one partition for a whole batch, as Kafka's sticky partitioner has it.
        self.next_unkeyed = number + 1;
        while self.in_flight.len() > MAX_IN_FLIGHT {
            self.await_oldest().await?;
        }
        Ok(())
    }

    async fn await_oldest(&mut self) -> anyhow::Result<()> {
        if let Some((partition, pending)) = self.in_flight.pop_front() {
            pending.produced(&self.topic, partition).await?;
        }
        Ok(())
    }

    /// Sends everything gathered and waits until it is stored.
    async fn flush(&mut self) -> anyhow::Result<()> {
        for number in 0..self.partitions.len() {
            self.send(number).await?;
        }
        while !self.in_flight.is_empty() {
            self.await_oldest().await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<u64> {
        self.flush().await?;
        Ok(self.count)
    }
}

/// Key and value of a line; none where a separator is asked for and missing.
fn split_key<'a>(line: &'a [u8], separator: Option<&[u8]>) -> Option<(Option<&'a [u8]>, &'a [u8])> {
    let Some(separator) = separator else {
        return Some((None, line));
    };
    let at = line.windows(separator.len()).position(|window| window == separator)?;
    let (key, rest) = line.split_at_checked(at)?;
    Some((Some(key), rest.get(separator.len()..)?))
}

fn now_ms() -> anyhow::Result<i64> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(i64::try_from(since_epoch.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_at_the_first_separator() {
        assert_eq!(split_key(b"a:b:c", Some(b":")), Some((Some(&b"a"[..]), &b"b:c"[..])));
        assert_eq!(split_key(b"a:b", None), Some((None, &b"a:b"[..])));
        assert_eq!(split_key(b"ab", Some(b":")), None);
        assert_eq!(split_key(b"", Some(b":")), None);
    }
}
