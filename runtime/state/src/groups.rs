//! Consumer groups: committed offsets, and the coordinator's own snapshot as opaque bytes. A group
//! exists as long as it has either.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::group_transactions::GroupProducer;
use crate::limits::{MAX_GROUP_SNAPSHOT_BYTES, MAX_STRING_BYTES};
use crate::rows::RowKey;
use crate::state::{Dirty, State};
use crate::{CommitOffsets, Error, ExpireOffsets, GroupOffset, Outcome, PartitionId, PutGroup, Rejection};

/// An offset a group committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    /// The next offset the group will read.
    pub offset: i64,
    /// Leader epoch of the last consumed record, or -1.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: Box<str>,
    /// When it was committed, by the proposer's clock.
    pub committed_at_ms: i64,
}

/// What a journal keeps of a group.
#[derive(Debug, Default)]
pub struct GroupState {
    snapshot: Option<Arc<[u8]>>,
    snapshot_at_ms: i64,
    pub(crate) offsets: BTreeMap<PartitionId, CommittedOffset>,
    /// Until when offsets are kept for which a client said so; others go by the broker's setting.
    pub(crate) expiries: BTreeMap<PartitionId, i64>,
    /// Producers that commit offsets in transactions.
    pub(crate) producers: BTreeMap<i64, GroupProducer>,
}

/// A group's row in a checkpoint; its offsets have rows of their own.
#[derive(Serialize, Deserialize)]
pub(crate) struct GroupRow {
    snapshot: Vec<u8>,
    snapshot_at_ms: i64,
}

impl GroupState {
    /// The coordinator's encoding, if it stored one.
    pub fn snapshot(&self) -> Option<&Arc<[u8]>> {
        self.snapshot.as_ref()
    }

    /// When the coordinator last stored one, by the proposer's clock.
    pub fn snapshot_at_ms(&self) -> i64 {
        self.snapshot_at_ms
    }

    /// All committed offsets.
    pub fn offsets(&self) -> &BTreeMap<PartitionId, CommittedOffset> {
        &self.offsets
    }

    /// The offset committed for one partition.
    pub fn offset(&self, partition: &PartitionId) -> Option<&CommittedOffset> {
        self.offsets.get(partition)
    }

    /// Until when the offset of a partition is kept, if the client that committed it said so.
    pub fn expires_at_ms(&self, partition: &PartitionId) -> Option<i64> {
        self.expiries.get(partition).copied()
    }

    pub(crate) fn row(&self) -> Option<GroupRow> {
        let snapshot = self.snapshot.as_ref()?.to_vec();
        Some(GroupRow { snapshot, snapshot_at_ms: self.snapshot_at_ms })
    }

    /// Keeps an offset, in place of the one before and of how long that was to be kept.
    pub(crate) fn put_offset(
        &mut self,
        id: &Arc<str>,
        partition: PartitionId,
        committed: CommittedOffset,
        expires_at_ms: Option<i64>,
        dirty: &mut Dirty,
    ) {
        self.offsets.insert(partition, committed);
        dirty.mark(RowKey::GroupOffset(id.clone(), partition));
        let before = match expires_at_ms {
            Some(at_ms) => self.expiries.insert(partition, at_ms),
            None => self.expiries.remove(&partition),
        };
        if before != expires_at_ms {
            dirty.mark(RowKey::OffsetExpiry(id.clone(), partition));
        }
    }

    fn forget_offset(&mut self, id: &Arc<str>, partition: PartitionId, dirty: &mut Dirty) {
        if self.offsets.remove(&partition).is_some() {
            dirty.mark(RowKey::GroupOffset(id.clone(), partition));
        }
        if self.expiries.remove(&partition).is_some() {
            dirty.mark(RowKey::OffsetExpiry(id.clone(), partition));
        }
    }

    fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.offsets.is_empty() && !self.has_pending_offsets()
    }
}

impl State {
    pub(crate) fn commit_offsets(
        &mut self,
        command: &CommitOffsets,
        expires_at_ms: Option<i64>,
    ) -> Result<Outcome, Rejection> {
        check_commit(&command.group_id, &command.offsets)?;
        if command.offsets.is_empty() {
            return Ok(Outcome::Done);
        }
        let id = self.group_id(&command.group_id);
        let group = self.groups.entry(id.clone()).or_default();
        for offset in &command.offsets {
            let committed = CommittedOffset::of(offset, command.now_ms);
            group.put_offset(&id, offset.partition, committed, expires_at_ms, &mut self.dirty);
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn put_group(&mut self, command: &PutGroup) -> Result<Outcome, Rejection> {
        check_id(&command.group_id)?;
        if command.snapshot.len() > MAX_GROUP_SNAPSHOT_BYTES {
            return Err(Rejection::Invalid("group snapshot is too large".into()));
        }
        let id = self.group_id(&command.group_id);
        if command.snapshot.is_empty() && !self.groups.contains_key(&id) {
            return Ok(Outcome::Done);
        }
        let group = self.groups.entry(id.clone()).or_default();
        group.snapshot = (!command.snapshot.is_empty()).then(|| command.snapshot.as_slice().into());
        group.snapshot_at_ms = if group.snapshot.is_some() { command.now_ms } else { 0 };
        self.dirty.mark(RowKey::Group(id.clone()));
        self.drop_group_if_empty(&id);
        Ok(Outcome::Done)
    }

    pub(crate) fn delete_group(&mut self, group_id: &str) -> Result<Outcome, Rejection> {
        let (id, group) =
            self.groups.remove_entry(group_id).ok_or_else(|| Rejection::NotFound(group_id.into()))?;
        for partition in group.offsets.keys() {
            self.dirty.mark(RowKey::GroupOffset(id.clone(), *partition));
        }
        for partition in group.expiries.keys() {
            self.dirty.mark(RowKey::OffsetExpiry(id.clone(), *partition));
        }
        for producer_id in group.producers.keys() {
            self.dirty.mark(RowKey::GroupProducer(id.clone(), *producer_id));
        }
        self.dirty.mark(RowKey::Group(id));
        Ok(Outcome::Done)
    }

    pub(crate) fn delete_offsets(
        &mut self,
        group_id: &str,
        partitions: &[PartitionId],
    ) -> Result<Outcome, Rejection> {
        let id = self.group_id(group_id);
        let group = self.groups.get_mut(&id).ok_or_else(|| Rejection::NotFound(group_id.into()))?;
        for partition in partitions {
            group.forget_offset(&id, *partition, &mut self.dirty);
        }
        self.drop_group_if_empty(&id);
        Ok(Outcome::Done)
    }

    pub(crate) fn expire_offsets(&mut self, command: &ExpireOffsets) -> Result<Outcome, Rejection> {
        let id = self.group_id(&command.group_id);
        let group = self.groups.get_mut(&id).ok_or_else(|| Rejection::NotFound(command.group_id.clone()))?;
        for (partition, committed_at_ms) in &command.offsets {
            if group.offsets.get(partition).is_some_and(|o| o.committed_at_ms == *committed_at_ms) {
                group.forget_offset(&id, *partition, &mut self.dirty);
            }
        }
        self.drop_group_if_empty(&id);
        Ok(Outcome::Done)
    }

    pub(crate) fn load_group(&mut self, id: Arc<str>, row: GroupRow) {
        let group = self.groups.entry(id).or_default();
        group.snapshot = Some(row.snapshot.into());
        group.snapshot_at_ms = row.snapshot_at_ms;
    }

    pub(crate) fn load_offset(&mut self, id: Arc<str>, partition: PartitionId, offset: CommittedOffset) {
        self.groups.entry(id).or_default().offsets.insert(partition, offset);
    }

    pub(crate) fn load_expiry(
        &mut self,
        id: Arc<str>,
        partition: PartitionId,
        at_ms: i64,
    ) -> Result<(), Error> {
        let group = self.groups.get_mut(&id).filter(|group| group.offsets.contains_key(&partition));
        let group =
            group.ok_or_else(|| Error::corrupt("state row", "the end of an offset that is not there"))?;
        group.expiries.insert(partition, at_ms);
        Ok(())
    }

    pub(crate) fn drop_group_if_empty(&mut self, id: &Arc<str>) {
        if self.groups.get(id).is_none_or(|group| !group.is_empty()) {
            return;
        }
        for producer_id in self.groups.remove(id).into_iter().flat_map(|group| group.producers.into_keys()) {
            self.dirty.mark(RowKey::GroupProducer(id.clone(), producer_id));
        }
    }

    /// The id as the map already holds it, so that a commit does not allocate another.
    pub(crate) fn group_id(&self, group_id: &str) -> Arc<str> {
        self.groups.get_key_value(group_id).map_or_else(|| group_id.into(), |(id, _)| id.clone())
    }
}

impl CommittedOffset {
    pub(crate) fn of(offset: &GroupOffset, now_ms: i64) -> Self {
        Self {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.as_str().into(),
            committed_at_ms: now_ms,
        }
    }
}

/// What a group's id and notes beside its offsets have to be like.
pub(crate) fn check_commit(group_id: &str, offsets: &[GroupOffset]) -> Result<(), Rejection> {
    check_id(group_id)?;
    if offsets.iter().any(|o| o.metadata.len() > MAX_STRING_BYTES) {
        return Err(Rejection::Invalid("offset metadata is too long".into()));
    }
    Ok(())
}

fn check_id(group_id: &str) -> Result<(), Rejection> {
    if group_id.len() > MAX_STRING_BYTES {
        return Err(Rejection::Invalid("group id is too long".into()));
    }
    Ok(())
}
