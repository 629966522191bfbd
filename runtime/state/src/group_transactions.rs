//! Offsets committed in a transaction: kept per producer until it ends, then taken over or dropped.
//!
//! A producer stays known after its transaction, so that offsets which come too late are refused
//! instead of waiting for an end that was before them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::groups::{CommittedOffset, GroupState, check_commit};
use crate::limits::MAX_GROUP_PRODUCERS;
use crate::rows::RowKey;
use crate::state::State;
use crate::{CommitTransactionalOffsets, EndGroupTransaction, Outcome, PartitionId, Rejection};

/// What a group knows of a producer that commits offsets in transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupProducer {
    epoch: i16,
    /// The newest transaction that ended.
    ended: u64,
    last_seen_ms: i64,
    /// Offsets of the open transaction.
    #[serde(deserialize_with = "crate::bounded::map")]
    pub(crate) pending: BTreeMap<PartitionId, CommittedOffset>,
}

impl GroupProducer {
    fn check(&self, producer_id: i64, epoch: i16, transaction: u64) -> Result<(), Rejection> {
        if epoch < self.epoch {
            return Err(Rejection::InvalidProducerEpoch { producer_id, epoch, current: self.epoch });
        }
        if transaction <= self.ended {
            return Err(Rejection::InvalidTransactionState { producer_id, reason: "it has ended" });
        }
        Ok(())
    }
}

impl GroupState {
    /// Whether a transaction is open that may commit an offset of this partition.
    pub fn has_pending_offset(&self, partition: &PartitionId) -> bool {
        self.producers.values().any(|producer| producer.pending.contains_key(partition))
    }

    /// Whether any transaction is open that may commit offsets.
    pub fn has_pending_offsets(&self) -> bool {
        self.producers.values().any(|producer| !producer.pending.is_empty())
    }

    /// Partitions with an offset that an open transaction may commit; some may come twice.
    pub fn pending_partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.producers.values().flat_map(|producer| producer.pending.keys())
    }

    /// The producer to forget so that another one finds room, if that is needed and possible.
    fn room_for(&self, producer_id: i64) -> Result<Option<i64>, Rejection> {
        if self.producers.contains_key(&producer_id) || self.producers.len() < MAX_GROUP_PRODUCERS {
            return Ok(None);
        }
        let idle = self.producers.iter().filter(|(_, producer)| producer.pending.is_empty());
        let oldest = idle.min_by_key(|(id, producer)| (producer.last_seen_ms, **id)).map(|(id, _)| *id);
        oldest.map(Some).ok_or_else(|| Rejection::Invalid("too many transactions in the group".into()))
    }
}

impl State {
    pub(crate) fn commit_transactional_offsets(
        &mut self,
        command: &CommitTransactionalOffsets,
    ) -> Result<Outcome, Rejection> {
        check_commit(&command.group_id, &command.offsets)?;
        let CommitTransactionalOffsets { producer_id, producer_epoch, transaction, .. } = *command;
        if producer_id < 0 || producer_epoch < 0 || transaction == 0 {
            return Err(Rejection::Invalid("offsets of no transaction".into()));
        }
        let id = self.group_id(&command.group_id);
        let mut forgotten = None;
        if let Some(group) = self.groups.get(&id) {
            if let Some(known) = group.producers.get(&producer_id) {
                known.check(producer_id, producer_epoch, transaction)?;
            }
            forgotten = group.room_for(producer_id)?;
        }
        if command.offsets.is_empty() {
            return Ok(Outcome::Done);
        }
        let group = self.groups.entry(Arc::clone(&id)).or_default();
        if let Some(forgotten) = forgotten {
            group.producers.remove(&forgotten);
            self.dirty.mark(RowKey::GroupProducer(Arc::clone(&id), forgotten));
        }
        let producer = group.producers.entry(producer_id).or_default();
        producer.epoch = producer_epoch;
        producer.last_seen_ms = command.now_ms;
        for offset in &command.offsets {
            producer.pending.insert(offset.partition, CommittedOffset::of(offset, command.now_ms));
        }
        self.dirty.mark(RowKey::GroupProducer(id, producer_id));
        Ok(Outcome::Done)
    }

    pub(crate) fn end_group_transaction(
        &mut self,
        command: &EndGroupTransaction,
    ) -> Result<Outcome, Rejection> {
        let EndGroupTransaction { producer_id, producer_epoch, transaction, commit, now_ms, .. } = *command;
        let id = self.group_id(&command.group_id);
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(Outcome::Done);
        };
        let Some(producer) = group.producers.get_mut(&producer_id) else {
            return Ok(Outcome::Done);
        };
        if transaction <= producer.ended {
            return Ok(Outcome::Done);
        }
        if producer_epoch < producer.epoch {
            let (epoch, current) = (producer_epoch, producer.epoch);
            return Err(Rejection::InvalidProducerEpoch { producer_id, epoch, current });
        }
        producer.epoch = producer_epoch;
        producer.ended = transaction;
        producer.last_seen_ms = now_ms;
        for (partition, offset) in std::mem::take(&mut producer.pending) {
            if commit {
                let offset = CommittedOffset { committed_at_ms: now_ms, ..offset };
                group.put_offset(&id, partition, offset, None, &mut self.dirty);
            }
        }
        self.dirty.mark(RowKey::GroupProducer(Arc::clone(&id), producer_id));
        self.drop_group_if_empty(&id);
        Ok(Outcome::Done)
    }

    pub(crate) fn load_group_producer(&mut self, id: Arc<str>, producer_id: i64, row: GroupProducer) {
        self.groups.entry(id).or_default().producers.insert(producer_id, row);
    }
}
