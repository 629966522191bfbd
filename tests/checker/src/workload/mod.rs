//! Clients that keep a history of what they do, most of them librdkafka's.
//!
//! | role | what it does |
//! | --- | --- |
//! | plain | idempotent sends to `orders`; closed and replaced, sometimes with sends on their way |
//! | writer | transactions over `ledger` and `audit`: committed, aborted, overstaying their timeout, left behind; now and then another client takes the transactional id and the first goes on |
//! | raw | the same takeover in single requests of the newest version, without a client that fences itself |
//! | copier | a group that copies `orders` to `ledger` and `audit`, records and positions in one transaction |
//! | poller | reads everything under one isolation level, from anywhere, and seeks |
//! | auditor | a group that reads `ledger` and `audit` and commits its positions outside of transactions |
//! | watcher | high watermarks, last stable offsets and the groups' positions |

mod auditor;
mod client;
mod copier;
mod finale;
mod payload;
mod plain;
mod poller;
mod raw;
mod reader;
mod run;
mod sender;
mod watcher;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow, ensure};

use crate::history::{Isolation, Partition, Recorder};

pub use finale::{read_everything, verify};
use reader::Reader;
pub use run::Run;
pub use watcher::{groups_now, wait_until_settled};

/// Topics and how many partitions they have.
pub const TOPICS: [(&str, i32); 3] = [(ORDERS, 3), (LEDGER, 2), (AUDIT, 2)];
const ORDERS: &str = "orders";
const LEDGER: &str = "ledger";
const AUDIT: &str = "audit";
/// Topics that are written in transactions.
const WRITTEN: [&str; 2] = [LEDGER, AUDIT];
/// The group of the copiers.
const COPIERS: &str = "copiers";
/// The group of the auditors.
const AUDITORS: &str = "auditors";
/// Groups, and what they read.
const GROUPS: [(&str, &[&str]); 2] = [(COPIERS, &[ORDERS]), (AUDITORS, &WRITTEN)];

/// All partitions of some topics.
fn partitions(of: &[&str]) -> Vec<Partition> {
    let topics = TOPICS.iter().filter(|(topic, _)| of.contains(topic));
    topics
        .flat_map(|(topic, count)| (0..*count).map(|number| Partition((*topic).to_owned(), number)))
        .collect()
}

/// All partitions.
fn all_partitions() -> Vec<Partition> {
    partitions(&TOPICS.map(|(topic, _)| topic))
}

/// The clients at work.
pub struct Workload {
    run: Arc<Run>,
    writing: Vec<JoinHandle<()>>,
    reading: Vec<JoinHandle<()>>,
    raw: tokio::task::JoinHandle<()>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Workload {
    /// Gives every group its first position, and sets all clients to work.
    ///
    /// # Errors
    /// If a first position cannot be committed or a thread cannot be started.
    pub async fn start(kafka_addr: &str, recorder: &Arc<Recorder>, seed: u64) -> anyhow::Result<Self> {
        let run = Arc::new(Run::new(kafka_addr, recorder, seed));
        let begun = Arc::clone(&run);
        tokio::task::spawn_blocking(move || begin_groups(&begun)).await??;
        let (mut writing, mut reading) = (Vec::new(), Vec::new());
        for number in 0..2 {
            writing.push(thread(&run, move |run| plain::work(run, number))?);
            writing.push(thread(&run, move |run| writer::work(run, number))?);
            writing.push(thread(&run, move |run| copier::work(run, number))?);
            reading.push(thread(&run, move |run| auditor::work(run, number))?);
        }
        for (number, isolation) in
            (0..).zip([Isolation::Committed, Isolation::Uncommitted, Isolation::Committed])
        {
            reading.push(thread(&run, move |run| poller::work(run, number, isolation))?);
        }
        let raw = tokio::spawn(raw::work(Arc::clone(&run)));
        let watcher = tokio::spawn(watcher::work(Arc::clone(&run)));
        Ok(Self { run, writing, reading, raw, watcher })
    }

    /// Waits until nobody writes any more. Transactions that were left open stay so.
    ///
    /// # Errors
    /// If a client panicked.
    pub async fn stop_writing(&mut self) -> anyhow::Result<()> {
        self.run.stop_writing();
        let writing = std::mem::take(&mut self.writing);
        join(writing).await?;
        Ok((&mut self.raw).await?)
    }

    /// Waits until nobody reads any more.
    ///
    /// # Errors
    /// If a client panicked.
    pub async fn stop_reading(self) -> anyhow::Result<()> {
        self.run.stop_reading();
        join(self.reading).await?;
        Ok(self.watcher.await?)
    }
}

/// Commits where groups begin.
fn begin_groups(run: &Run) -> anyhow::Result<()> {
    for (group, topics) in GROUPS {
        let first = partitions(topics).into_iter().map(|partition| (partition, 0)).collect();
        let founder = Reader::outside(run, "founder", group);
        let begun = founder.is_some_and(|founder| founder.commit(group, first));
        ensure!(begun, "the first position of {group} could not be committed");
    }
    Ok(())
}

/// librdkafka's calls block, so each of its clients has a thread.
fn thread(run: &Arc<Run>, work: impl FnOnce(&Run) + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let run = Arc::clone(run);
    std::thread::Builder::new().spawn(move || work(&run)).context("no thread")
}

async fn join(threads: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(|| {
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked")))
    })
    .await?
}
