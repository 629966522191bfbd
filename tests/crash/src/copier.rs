//! Copiers in transactions: what they read of one partition goes to two others, together with their
//! position. Several have the same transactional id and fence each other; each begins anew whenever
//! anything goes wrong, as Kafka's own programs do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidemill_client::{Cluster, Connection};

use crate::committed::read_committed;
use crate::groups;
use crate::transaction::Transactional;

/// The group whose offsets are the copiers' positions.
pub const GROUP: &str = "copiers";
const TIMEOUT_MS: i32 = 60_000;
const MOST_RECORDS: usize = 50;

/// What all copiers have done.
#[derive(Debug, Default)]
pub struct Done {
    /// Transactions that were committed, as far as a copier was told.
    pub committed: AtomicU64,
    /// Transactions that a copier aborted itself.
    pub aborted: AtomicU64,
    /// Why copiers began anew, and how often.
    pub troubles: Mutex<BTreeMap<String, u64>>,
}

/// One copier.
#[derive(Clone)]
pub struct Copier {
    /// Its number, unlike those of others.
    pub number: u64,
    /// Which partition of `in` it copies, to the same one of `out` and the next one of `audit`.
    pub partition: i32,
    /// How many partitions there are.
    pub partitions: i32,
    /// The run's seed.
    pub seed: u64,
    /// Where the broker is.
    pub kafka_addr: String,
    /// Where it counts.
    pub done: Arc<Done>,
}

impl Copier {
    /// Copies until told to stop.
    pub async fn run(self, stop: Arc<AtomicBool>) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (self.number << 16));
        while !stop.load(Ordering::Relaxed) {
            if let Err(error) = self.session(&mut random, &stop).await {
                let mut troubles = self.done.troubles.lock();
                let kind = error.to_string().split(" to 127.0.0.1").next().unwrap_or_default().to_owned();
                *troubles.entry(kind).or_default() += 1;
            }
            let pause = Duration::from_millis(random.random_range(10..400));
            tokio::time::sleep(pause).await;
        }
    }

    /// From taking the transactional id to the first trouble.
    async fn session(&self, random: &mut StdRng, stop: &AtomicBool) -> anyhow::Result<()> {
        let cluster = Cluster::connect(&self.kafka_addr, "copier").await?;
        let connection = cluster.bootstrap();
        let id = format!("copier-{}", self.partition);
        let mut producer = Transactional::init(connection.clone(), &id, TIMEOUT_MS).await?;
        while !stop.load(Ordering::Relaxed) {
            let Some(position) = position(connection, self.partition).await? else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let found = read_committed(connection, "in", self.partition, position, 40_000).await?;
            let offsets: Vec<i64> = found.records.iter().map(|(offset, _)| *offset).collect();
            let wanted = random.random_range(1..=MOST_RECORDS);
            let offsets = offsets.get(..wanted.min(offsets.len())).unwrap_or_default();
            let Some(last) = offsets.last() else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let audit = (self.partition + 1) % self.partitions;
            let copies: Vec<_> = offsets
                .iter()
                .map(|offset| (None, format!("{}:{offset}", self.partition).into_bytes()))
                .collect();
            producer.produce("out", self.partition, &copies).await?;
            if random.random_bool(0.1) {
                tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
            }
            producer.produce("audit", audit, &copies).await?;
            producer.commit_position(GROUP, "in", self.partition, last + 1).await?;
            let commit = random.random_bool(0.8);
            producer.end(commit).await?;
            let counter = if commit { &self.done.committed } else { &self.done.aborted };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The copiers' position in a partition of `in`; none while a transaction is open that may change it.
///
/// # Errors
/// If the broker does not answer.
pub async fn position(connection: &Connection, partition: i32) -> anyhow::Result<Option<i64>> {
    let position = groups::position(connection, GROUP, "in", partition).await?;
    Ok(position.map(|offset| offset.max(0)))
}
