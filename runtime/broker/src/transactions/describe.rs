//! What operators see of transactions.

use tidemill_state::{PartitionId, TransactionState, TransactionStatus};
use tidemill_transactions::Ending;

use super::Transactions;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::topics::TopicRef;

/// A line of ListTransactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: i64,
    /// Where it stands.
    pub status: TransactionStatus,
}

/// Which transactional ids are wanted.
pub struct TransactionFilter<'a> {
    /// Only these states, if any are named.
    pub statuses: &'a [TransactionStatus],
    /// Only of these producers, if any are named.
    pub producer_ids: &'a [i64],
    /// Only transactions open for longer than this.
    pub longer_than_ms: Option<i64>,
    /// Only ids that this likes.
    pub is_wanted: &'a dyn Fn(&str) -> bool,
}

/// DescribeTransactions, for one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTransaction {
    /// Where it stands.
    pub status: TransactionStatus,
    /// How long a transaction may stay open.
    pub timeout_ms: i32,
    /// When the transaction began, or -1.
    pub started_at_ms: i64,
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Partitions in the transaction, by topic.
    pub partitions: Vec<(String, Vec<i32>)>,
}

/// A producer as a partition knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The last sequence number it wrote, or -1.
    pub last_sequence: i32,
    /// When it last wrote.
    pub last_timestamp_ms: i64,
    /// Epoch of the coordinator that last ended a transaction of it, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins, or -1.
    pub open_since: i64,
}

impl TransactionFilter<'_> {
    fn lets_through(&self, id: &str, row: &TransactionState, now_ms: i64) -> bool {
        let is_long = |ms: i64| {
            let running = row.status == TransactionStatus::Ongoing || row.status.is_ending();
            running && now_ms.saturating_sub(row.started_at_ms) > ms
        };
        (self.statuses.is_empty() || self.statuses.contains(&row.status))
            && (self.producer_ids.is_empty() || self.producer_ids.contains(&row.producer_id))
            && self.longer_than_ms.is_none_or(is_long)
            && (self.is_wanted)(id)
    }
}

impl Transactions {
    fn list(&self, filter: &TransactionFilter<'_>) -> Vec<ListedTransaction> {
        let now_ms = self.clock.now_ms();
        let mut listed = Vec::new();
        for (_, journal) in self.journals.all_data() {
            journal.state(|state| {
                let rows = state.transactions().iter();
                let wanted = rows.filter(|(id, row)| filter.lets_through(id, row, now_ms));
                listed.extend(wanted.map(|(id, row)| ListedTransaction {
                    transactional_id: id.to_string(),
                    producer_id: row.producer_id,
                    status: row.status,
                }));
            });
        }
        listed
    }
}

impl Broker {
    /// ListTransactions.
    #[must_use]
    pub fn list_transactions(&self, filter: &TransactionFilter<'_>) -> Vec<ListedTransaction> {
        self.transactions.list(filter)
    }

    /// DescribeTransactions, for one id.
    pub fn describe_transaction(&self, transactional_id: &str) -> Result<DescribedTransaction, Error> {
        let row = self.transactions.look(transactional_id, |row| row.cloned()).ok_or_else(|| {
            let message = format!("transactional id {transactional_id:?} does not exist");
            Error::new(ErrorKind::TransactionalIdNotFound, message)
        })?;
        let by_topic = row.partitions.chunk_by(|a, b| a.topic_id == b.topic_id);
        let named = by_topic.filter_map(|partitions| {
            let topic = self.registry.by_id(&partitions.first()?.topic_id)?;
            Some((topic.name.clone(), partitions.iter().map(|id| id.partition).collect()))
        });
        Ok(DescribedTransaction {
            status: row.status,
            timeout_ms: row.timeout_ms,
            started_at_ms: row.started_at_ms,
            producer_id: row.producer_id,
            producer_epoch: row.producer_epoch,
            partitions: named.collect(),
        })
    }

    /// DescribeProducers, for one partition.
    pub fn describe_producers(
        &self,
        topic: &TopicRef,
        partition: i32,
    ) -> Result<Vec<PartitionProducer>, Error> {
        let target = self.partition(topic, partition)?;
        let horizon_ms = |expiry_ms| self.clock.now_ms().saturating_sub(expiry_ms);
        let found = target.journal.state(|state| {
            let horizon_ms = horizon_ms(state.producer_expiry_ms());
            let partition = state.partition(&target.id)?;
            let active =
                partition.producers().filter(|p| p.open_since.is_some() || p.last_seen_ms > horizon_ms);
            let described = active.map(|producer| PartitionProducer {
                producer_id: producer.producer_id,
                producer_epoch: producer.epoch,
                last_sequence: producer.last_sequence,
                last_timestamp_ms: producer.last_seen_ms,
                coordinator_epoch: producer.coordinator_epoch,
                open_since: producer.open_since.unwrap_or(-1),
            });
            Some(described.collect())
        });
        found.ok_or_else(|| Error::unknown_partition(&target.topic.name, partition))
    }

    /// WriteTxnMarkers, for one partition: ends a transaction that its coordinator does not end.
    pub async fn write_marker(
        &self,
        topic: &TopicRef,
        partition: i32,
        producer: crate::producer_ids::ProducerIdentity,
        coordinator_epoch: i32,
        commit: bool,
    ) -> Result<(), Error> {
        let target: PartitionId = self.partition(topic, partition)?.id;
        let ending = Ending {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            coordinator_epoch,
            transaction: 0,
            version: 1,
            commit,
        };
        self.transactions.write_marker(target, &ending).await
    }
}
