//! Transactions one after another, in the version in which each has its own epoch (KIP-890).

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    EndTxnRequest, InitProducerIdRequest, ProduceRequest, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use tidemill_codec_bench::payload;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

use super::coordinator::{self, Key, patiently};
use super::latency::Latencies;
use super::wire::Wire;
use crate::peer::topic_name;

const ID: &str = "bench";
const INIT_VERSION: i16 = 5;
const PRODUCE_VERSION: i16 = 12;
const END_VERSION: i16 = 5;
const CONCURRENT_TRANSACTIONS: i16 = 51;
/// Between two tries while the transaction before is still being ended.
const BACKOFF: Duration = Duration::from_millis(1);

/// What a transaction takes.
#[derive(Default)]
pub struct Taken {
    /// From asking for the commit until its answer.
    pub commit: Latencies,
    /// From the first record until that answer.
    pub whole: Latencies,
}

/// A producer with a transactional id.
pub struct Transactions<'a> {
    wire: Wire,
    topic: &'a str,
    partitions: i32,
    producer_id: ProducerId,
    epoch: i16,
}

impl<'a> Transactions<'a> {
    /// Takes the transactional id, to write a record to each of the topic's partitions in each transaction.
    pub fn begin(addr: &str, topic: &'a str, partitions: i32) -> anyhow::Result<Self> {
        let mut wire = Wire::connect(addr)?;
        coordinator::find(&mut wire, Key::Transaction(ID))?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let mut given = None;
        patiently(|| {
            let answer = wire.call(&request, INIT_VERSION)?;
            given = Some((answer.producer_id, answer.producer_epoch));
            Ok(answer.error_code)
        })?;
        let (producer_id, epoch) = given.context("no producer id")?;
        Ok(Self { wire, topic, partitions, producer_id, epoch })
    }

    /// Commits transactions for so long.
    pub fn run(&mut self, duration: Duration) -> anyhow::Result<Taken> {
        let mut taken = Taken::default();
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let started = Instant::now();
            self.produce()?;
            let committing = Instant::now();
            self.commit()?;
            taken.commit.add(committing.elapsed());
            taken.whole.add(started.elapsed());
        }
        Ok(taken)
    }

    fn produce(&mut self) -> anyhow::Result<()> {
        let batch = self.batch()?;
        let data = (0..self.partitions).map(|partition| {
            PartitionProduceData::default().with_index(partition).with_records(Some(batch.clone()))
        });
        let topic =
            TopicProduceData::default().with_name(topic_name(self.topic)).with_partition_data(data.collect());
        let request = ProduceRequest::default()
            .with_transactional_id(Some(id()))
            .with_acks(-1)
            .with_timeout_ms(60_000)
            .with_topic_data(vec![topic]);
        loop {
            let answer = self.wire.call(&request, PRODUCE_VERSION)?;
            let parts = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            let codes: Vec<i16> = parts.map(|part| part.error_code).filter(|code| *code != 0).collect();
            if codes.is_empty() {
                return Ok(());
            }
            ensure!(codes.iter().all(|code| *code == CONCURRENT_TRANSACTIONS), "producing: errors {codes:?}");
            std::thread::sleep(BACKOFF);
        }
    }

    fn batch(&self) -> anyhow::Result<Bytes> {
        let facts = BatchFacts {
            base_timestamp: payload::now_ms()?,
            producer_id: self.producer_id.0,
            producer_epoch: self.epoch,
            base_sequence: 0,
            is_transactional: true,
            ..BatchFacts::default()
        };
        let mut builder = BatchBuilder::new(facts);
        builder.push(0, 0, None, Some(b"in a transaction"), &[]);
        Ok(builder.build(Compression::None)?.into_bytes())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        let answer = self.wire.call(&request, END_VERSION)?;
        ensure!(answer.error_code == 0, "committing: error {}", answer.error_code);
        (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
        Ok(())
    }
}

fn id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(ID))
}
