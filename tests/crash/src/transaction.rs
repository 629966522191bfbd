//! A transactional producer in single requests, in versions in which every transaction has its own
//! epoch and topics are named by name. Nothing is tried again.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    EndTxnRequest, GroupId, InitProducerIdRequest, ProduceRequest, ProducerId, TopicName, TransactionalId,
    TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use tidemill_client::{Connection, Error};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

const INIT_PRODUCER_ID: i16 = 5;
const PRODUCE: i16 = 12;
const END_TXN: i16 = 5;
const TXN_OFFSET_COMMIT: i16 = 5;

/// A transactional id with the producer id and epoch it has at the moment.
pub struct Transactional {
    connection: Connection,
    id: TransactionalId,
    producer_id: ProducerId,
    epoch: i16,
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// Kafka's error of this code, if it is one.
///
/// # Errors
/// That error.
pub fn check(code: i16, what: &str) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error::Kafka { what: what.to_owned(), code }) }
}

impl Transactional {
    /// Takes a transactional id; whoever has it is fenced. The broker aborts transactions that are
    /// open for longer than `timeout_ms`.
    ///
    /// # Errors
    /// If the broker does not answer, or refuses.
    pub async fn init(connection: Connection, id: &str, timeout_ms: i32) -> anyhow::Result<Self> {
        let id = TransactionalId(text(id));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = connection.call(&request, INIT_PRODUCER_ID).await?;
        check(answer.error_code, "init")?;
        Ok(Self { connection, id, producer_id: answer.producer_id, epoch: answer.producer_epoch })
    }

    /// The transaction's one batch for a partition: keys and values. Answers its first offset.
    ///
    /// # Errors
    /// As [`Transactional::init`].
    pub async fn produce(
        &self,
        topic: &str,
        partition: i32,
        records: &[(Option<Vec<u8>>, Vec<u8>)],
    ) -> anyhow::Result<i64> {
        let facts = BatchFacts {
            base_timestamp: i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
            producer_id: self.producer_id.0,
            producer_epoch: self.epoch,
            base_sequence: 0,
            is_transactional: true,
            ..BatchFacts::default()
        };
        let mut builder = BatchBuilder::new(facts);
        for (delta, (key, value)) in (0..).zip(records) {
            builder.push(delta, 0, key.as_deref(), Some(value), &[]);
        }
        let batch = builder.build(Compression::None)?.into_bytes();
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let topic =
            TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let answer = self.connection.call(&request, PRODUCE).await?;
        let part = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        let part = part.context("no answer")?;
        check(part.error_code, "produce")?;
        Ok(part.base_offset)
    }

    /// A group's position in a partition, to be committed with the transaction.
    ///
    /// # Errors
    /// As [`Transactional::init`].
    pub async fn commit_position(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> anyhow::Result<()> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(TopicName(text(topic)));
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(GroupId(text(group)))
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic.with_partitions(vec![partition])]);
        let answer = self.connection.call(&request, TXN_OFFSET_COMMIT).await?;
        let part = answer.topics.first().and_then(|topic| topic.partitions.first());
        Ok(check(part.context("no answer")?.error_code, "offsets")?)
    }

    /// Commits or aborts; the next transaction has another epoch.
    ///
    /// # Errors
    /// As [`Transactional::init`].
    pub async fn end(&mut self, commit: bool) -> anyhow::Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let answer = self.connection.call(&request, END_TXN).await?;
        check(answer.error_code, "end")?;
        (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
        Ok(())
    }
}
