//! Copiers in transactions: what they read of one partition goes to two others, together with their
//! position. Several have the same transactional id and fence each other; each begins anew whenever
//! anything goes wrong, as Kafka's own programs do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    EndTxnRequest, GroupId, InitProducerIdRequest, OffsetFetchRequest, ProduceRequest, ProducerId, TopicName,
    TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidemill_client::{Cluster, Connection};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

use crate::committed::read_committed;

/// The group whose offsets are the copiers' positions.
pub const GROUP: &str = "copiers";
/// Versions in which every transaction has its own epoch, and topics are named by name.
const PRODUCE: i16 = 12;
const END_TXN: i16 = 5;
const TXN_OFFSET_COMMIT: i16 = 5;
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

/// A producer's id and epoch.
#[derive(Clone, Copy)]
struct Identity {
    producer_id: ProducerId,
    epoch: i16,
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn check(code: i16, what: &str) -> anyhow::Result<()> {
    if code != 0 {
        bail!("{what}: {}", tidemill_client::kafka_error_name(code));
    }
    Ok(())
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
        let mut who = self.init(connection).await?;
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
            self.produce(connection, who, "out", self.partition, offsets).await?;
            if random.random_bool(0.1) {
                tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
            }
            self.produce(connection, who, "audit", audit, offsets).await?;
            self.commit_position(connection, who, last + 1).await?;
            let commit = random.random_bool(0.8);
            who = self.end(connection, who, commit).await?;
            let counter = if commit { &self.done.committed } else { &self.done.aborted };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(format!("copier-{}", self.partition)))
    }

    async fn init(&self, connection: &Connection) -> anyhow::Result<Identity> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = connection.call(&request, 5).await?;
        check(answer.error_code, "init")?;
        Ok(Identity { producer_id: answer.producer_id, epoch: answer.producer_epoch })
    }

    async fn produce(
        &self,
        connection: &Connection,
        who: Identity,
        topic: &str,
        partition: i32,
        offsets: &[i64],
    ) -> anyhow::Result<()> {
        let facts = BatchFacts {
            base_timestamp: i64::try_from(
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis(),
            )?,
            producer_id: who.producer_id.0,
            producer_epoch: who.epoch,
            base_sequence: 0,
            is_transactional: true,
            ..BatchFacts::default()
        };
        let mut builder = BatchBuilder::new(facts);
        for (delta, offset) in (0..).zip(offsets) {
            builder.push(delta, 0, None, Some(format!("{}:{offset}", self.partition).as_bytes()), &[]);
        }
        let batch = builder.build(Compression::None)?.into_bytes();
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let topic =
            TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let answer = connection.call(&request, PRODUCE).await?;
        let part = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        check(part.context("no answer")?.error_code, "produce")
    }

    async fn commit_position(
        &self,
        connection: &Connection,
        who: Identity,
        offset: i64,
    ) -> anyhow::Result<()> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(self.partition)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(TopicName(text("in")));
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(GroupId(text(GROUP)))
            .with_producer_id(who.producer_id)
            .with_producer_epoch(who.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic.with_partitions(vec![partition])]);
        let answer = connection.call(&request, TXN_OFFSET_COMMIT).await?;
        let part = answer.topics.first().and_then(|topic| topic.partitions.first());
        check(part.context("no answer")?.error_code, "offsets")
    }

    async fn end(&self, connection: &Connection, who: Identity, commit: bool) -> anyhow::Result<Identity> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(who.producer_id)
            .with_producer_epoch(who.epoch)
            .with_committed(commit);
        let answer = connection.call(&request, END_TXN).await?;
        check(answer.error_code, "end")?;
        Ok(Identity { producer_id: answer.producer_id, epoch: answer.producer_epoch })
    }
}

/// The copiers' position in a partition of `in`; none while a transaction is open that may change it.
///
/// # Errors
/// If the broker does not answer.
pub async fn position(connection: &Connection, partition: i32) -> anyhow::Result<Option<i64>> {
    const UNSTABLE: i16 = 88;
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(text("in")))
        .with_partition_indexes(vec![partition]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_member_epoch(-1)
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    let answer = connection.call(&request, 9).await?;
    let group = answer.groups.first().context("no group in the answer")?;
    check(group.error_code, "position")?;
    let part = group.topics.first().and_then(|topic| topic.partitions.first()).context("no partition")?;
    if part.error_code == UNSTABLE {
        return Ok(None);
    }
    check(part.error_code, "position")?;
    Ok(Some(part.committed_offset.max(0)))
}
