//! Producers that live through the broker's crashes.
//!
//! An idempotent producer sends a batch again, with the same sequence number, until it is told what
//! came of it. A plain one never sends again: a batch whose answer was lost stays unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use kafka_protocol::messages::InitProducerIdRequest;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidemill_client::{Cluster, Error};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

use crate::history::{History, Outcome, Sent};

const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Kafka's error codes that say a retry may work: not leader, timed out, storage error, not ready.
const RETRIABLE: [i16; 4] = [6, 7, 15, 56];

/// What a producer does.
pub struct Producer {
    /// Its number.
    pub number: u32,
    /// The topic.
    pub topic: String,
    /// How many partitions the topic has.
    pub partitions: i32,
    /// Whether it has a producer id and sends again.
    pub idempotent: bool,
    /// The run's seed.
    pub seed: u64,
    /// Timestamp of all records; recent, or retention would delete them.
    pub timestamp_ms: i64,
    /// Where the broker is.
    pub kafka_addr: String,
}

/// An id with the facts that a batch carries.
struct Identity {
    producer_id: i64,
    producer_epoch: i16,
    /// Next sequence number by partition.
    sequences: Vec<i32>,
}

impl Producer {
    /// Sends until told to stop.
    ///
    /// # Errors
    /// If the broker refuses what it must not refuse.
    pub async fn run(self, history: Arc<History>, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
        let mut random = StdRng::seed_from_u64(self.seed ^ (u64::from(self.number) << 32));
        let mut identity = self.identity(&stop).await?;
        let mut next_id = u64::from(self.number) << 40;
        let mut cluster = None;
        while !stop.load(Ordering::Relaxed) {
            let partition = random.random_range(0..self.partitions);
            let count = random.random_range(1..40);
            let batch = self.batch(&mut random, next_id, count, partition, identity.as_ref())?;
            let outcome = self.deliver(&mut cluster, partition, batch).await?;
            let sent = Sent { producer: self.number, partition, first_id: next_id, count, outcome };
            history.sent(sent)?;
            next_id += count;
            if let Some(sequence) =
                identity.as_mut().and_then(|identity| identity.sequences.get_mut(partition as usize))
            {
                *sequence += i32::try_from(count)?;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..6))).await;
        }
        Ok(())
    }

    async fn identity(&self, stop: &AtomicBool) -> anyhow::Result<Option<Identity>> {
        while self.idempotent && !stop.load(Ordering::Relaxed) {
            if let Ok(cluster) = Cluster::connect(&self.kafka_addr, "crash").await {
                let request = InitProducerIdRequest::default()
                    .with_transactional_id(None)
                    .with_transaction_timeout_ms(60_000);
                if let Ok(answer) = cluster.bootstrap().call(&request, 4).await
                    && answer.error_code == 0
                {
                    return Ok(Some(Identity {
                        producer_id: answer.producer_id.0,
                        producer_epoch: answer.producer_epoch,
                        sequences: vec![0; usize::try_from(self.partitions)?],
                    }));
                }
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Ok(None)
    }

    fn batch(
        &self,
        random: &mut StdRng,
        first_id: u64,
        count: u64,
        partition: i32,
        identity: Option<&Identity>,
    ) -> anyhow::Result<bytes::Bytes> {
        let mut facts = BatchFacts { base_timestamp: self.timestamp_ms, ..BatchFacts::default() };
        if let Some(identity) = identity {
            facts.producer_id = identity.producer_id;
            facts.producer_epoch = identity.producer_epoch;
            facts.base_sequence = *identity.sequences.get(partition as usize).context("no such partition")?;
        }
        let mut builder = BatchBuilder::new(facts);
        for (delta, id) in (0..).zip(first_id..first_id + count) {
            let delay = random.random_range(0..120);
            let filler = "x".repeat(random.random_range(0..200));
            let value = flight(id, delay, &filler);
            builder.push(delta, i64::from(delta), Some(&id.to_be_bytes()), Some(value.as_bytes()), &[]);
        }
        let codec = match random.random_range(0..3) {
            0 => Compression::None,
            1 => Compression::Lz4,
            _ => Compression::Zstd,
        };
        Ok(builder.build(codec)?.into_bytes())
    }

    /// Sends a batch until its outcome is known, or, without an id, once.
    async fn deliver(
        &self,
        cluster: &mut Option<Cluster>,
        partition: i32,
        batch: bytes::Bytes,
    ) -> anyhow::Result<Outcome> {
        let mut attempted = false;
        loop {
            if cluster.is_none() {
                *cluster = Cluster::connect(&self.kafka_addr, "crash").await.ok();
            }
            let Some(connected) = cluster.as_ref() else {
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            };
            if attempted && !self.idempotent {
                return Ok(Outcome::Unknown);
            }
            attempted = true;
            match connected.bootstrap().produce_batch(&self.topic, partition, batch.clone()).await {
                Ok(produced) => {
                    return Ok(Outcome::Acked { base_offset: produced.base_offset });
                }
                Err(Error::Kafka { code, .. }) if RETRIABLE.contains(&code) => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error @ Error::Kafka { .. }) => return Err(error.into()),
                Err(_) => *cluster = None,
            }
        }
    }
}

/// A record's value: a flight that `late-flights` understands, numbered by the record's id.
fn flight(id: u64, delay: i32, filler: &str) -> String {
    format!(
        r#"{{"year":2013,"month":1,"day":2,"dep_delay":{delay},"arr_delay":null,"carrier":"TM","flight":{id},"origin":"JFK","dest":"ZRH","note":"{filler}"}}"#
    )
}
