//! Measures a journal on a real disk beside the disk itself: one client's latency for 1 KiB against
//! raw `fdatasync`, and throughput of 64 writers of 16 KiB.
//!
//! `cargo run -p tidemill-journal --example journal_bench -- DIR [SECONDS]`

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill_disk::{Disk, RealDisk};
use tidemill_journal::{Error, Journal, Listener, Options};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};
use tidemill_state::{Append, Command, Effect, OpenPartition, Outcome, PartitionId};
use uuid::Uuid;

struct Deaf;

impl Listener for Deaf {
    fn advanced(&self, _: PartitionId, _: i64) {}
    fn effect(&self, _: &Effect) {}
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

const RAW_BYTES: u64 = 64 << 20;

fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(1), partition: number }
}

fn append(number: i32, bytes: usize) -> Result<Command, Failure> {
    let value = vec![b'x'; bytes];
    let mut builder = BatchBuilder::new(BatchFacts::default());
    builder.push(0, 0, None, Some(&value), &[]);
    let batch = builder.build(Compression::None)?.into_bytes();
    Ok(Command::Append(Append { partition: partition(number), batches: vec![batch], now_ms: 0 }))
}

fn quantiles(mut taken: Vec<Duration>) -> String {
    taken.sort_unstable();
    let at = |part: usize| taken.get(taken.len() * part / 100).copied().unwrap_or_default().as_micros();
    format!("p50 {} µs, p99 {} µs ({} times)", at(50), at(99), taken.len())
}

/// Alternates between the disk alone and the journal, because a disk's mood changes by the second.
async fn one_client(
    journal: &Journal,
    disk: &dyn Disk,
    path: &Path,
    lasting: Duration,
) -> Result<(String, String), Failure> {
    let file = disk.create(path)?;
    file.allocate(RAW_BYTES)?;
    let (block, command) = ([b'x'; 1024], append(0, 1024)?);
    let (start, mut raw, mut proposed, mut position) = (Instant::now(), Vec::new(), Vec::new(), 0);
    while start.elapsed() < lasting && position + 1024 < RAW_BYTES {
        let before = Instant::now();
        file.write_all_at(&[IoSlice::new(&block)], position)?;
        file.sync_data()?;
        raw.push(before.elapsed());
        position += 1024;
        let before = Instant::now();
        journal.propose(command.clone()).await?;
        proposed.push(before.elapsed());
    }
    disk.remove(path)?;
    Ok((quantiles(raw), quantiles(proposed)))
}

async fn many_writers(journal: &Journal, lasting: Duration) -> Result<String, Failure> {
    let written = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut writers = Vec::new();
    for number in 0..64 {
        let (journal, written, command) = (journal.clone(), written.clone(), append(number, 16 << 10)?);
        writers.push(tokio::spawn(async move {
            while start.elapsed() < lasting {
                if let Outcome::Appended(_) = journal.propose(command.clone()).await? {
                    written.fetch_add(16 << 10, Ordering::Relaxed);
                }
            }
            Ok::<_, Error>(())
        }));
    }
    for writer in writers {
        writer.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("{:.0} MB/s", written.load(Ordering::Relaxed) as f64 / 1e6 / seconds))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("usage: journal_bench DIR [SECONDS]")?);
    let lasting = Duration::from_secs(arguments.next().map_or(Ok(3), |seconds| seconds.parse())?);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    disk.create_dir_all(&dir)?;
    let options = || Options { reserve_bytes: 0, ..Options::single(1, 1, dir.join("journal")) };
    let begun = Instant::now();
    let journal = Journal::open(options(), disk.clone(), Arc::new(Deaf)).await?;
    println!("first start                {} ms", begun.elapsed().as_millis());
    for number in 0..64 {
        let topic = "bench".to_owned();
        journal
            .propose(Command::OpenPartition(OpenPartition {
                partition: partition(number),
                topic,
                leader_epoch_base: 0,
            }))
            .await?;
    }
    let (raw, proposed) = one_client(&journal, disk.as_ref(), &dir.join("raw"), lasting).await?;
    println!("raw fdatasync, 1 KiB       {raw}");
    println!("one client, 1 KiB          {proposed}");
    println!("64 writers, 16 KiB         {}", many_writers(&journal, lasting).await?);
    let begun = Instant::now();
    journal.shutdown().await;
    println!("shutdown                   {} ms", begun.elapsed().as_millis());
    drop(journal);
    let begun = Instant::now();
    let journal = Journal::open(options(), disk, Arc::new(Deaf)).await?;
    println!("restart                    {} ms", begun.elapsed().as_millis());
    println!("log                        {} MB", journal.usage().total_bytes / 1_000_000);
    Ok(())
}
