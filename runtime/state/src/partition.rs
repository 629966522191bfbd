//! One partition: offsets, leader epochs, idempotent producers and the manifest of its archive.
//!
//! `log_start_offset <= last_stable_offset <= high_watermark`, and the manifest's objects follow one
//! another without overlap, ending at `archived_end <= last_stable_offset`. An object wholly below
//! the log start offset is garbage and not in the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_LEADER_EPOCHS, MAX_STRING_BYTES};
use crate::producers::{Producer, ProducerRow, ProducerTransactions, Producers};
use crate::rows::RowKey;
use crate::state::State;
use crate::unstable::{AbortedRow, Unstable};
use crate::{AbortedTransaction, Error, ProducerSummary};
use crate::{ArchivedObject, CommitArchive, Effect, OpenPartition, Outcome, PartitionId, Rejection, Trim};

/// A leader epoch and the first offset written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderEpoch {
    /// The epoch.
    pub epoch: i32,
    /// Offset of the first record written in it.
    pub start_offset: i64,
}

/// What a journal knows of a partition that lives on it.
#[derive(Debug)]
pub struct PartitionState {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Added to the Raft term to give the leader epoch.
    pub leader_epoch_base: i32,
    /// First offset a consumer may read.
    pub log_start_offset: i64,
    /// Offset the next record gets. Only committed entries are applied, so it is the log end too.
    pub high_watermark: i64,
    /// Records below it are not part of an open transaction.
    pub last_stable_offset: i64,
    /// Offsets below it are archived or trimmed.
    pub archived_end: i64,
    /// Leader epochs by start offset, both rising.
    pub leader_epochs: Vec<LeaderEpoch>,
    pub(crate) producers: Producers,
    objects: BTreeMap<i64, Arc<ArchivedObject>>,
}

/// A partition's row in a checkpoint; producers and objects have rows of their own.
#[derive(Serialize, Deserialize)]
pub(crate) struct PartitionRow {
    topic: String,
    leader_epoch_base: i32,
    log_start_offset: i64,
    high_watermark: i64,
    last_stable_offset: i64,
    archived_end: i64,
    leader_epochs: Vec<LeaderEpoch>,
    producer_sweep_at_ms: i64,
}

impl PartitionState {
    fn new(topic: Arc<str>, leader_epoch_base: i32) -> Self {
        Self {
            topic,
            leader_epoch_base,
            log_start_offset: 0,
            high_watermark: 0,
            last_stable_offset: 0,
            archived_end: 0,
            leader_epochs: Vec::new(),
            producers: Producers::default(),
            objects: BTreeMap::new(),
        }
    }

    /// The manifest: live archived objects by base offset.
    pub fn objects(&self) -> &BTreeMap<i64, Arc<ArchivedObject>> {
        &self.objects
    }

    /// The archived object that covers `offset`.
    pub fn object_at(&self, offset: i64) -> Option<&Arc<ArchivedObject>> {
        let (_, object) = self.objects.range(..=offset).next_back()?;
        (offset <= object.last_offset).then_some(object)
    }

    /// The idempotent producers remembered here.
    pub fn producers(&self) -> impl Iterator<Item = ProducerSummary> + '_ {
        self.producers.iter()
    }

    /// Transactions aborted in the hot part that have records in `from..to`, by offset of the marker.
    /// For archived offsets the object says it.
    pub fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = AbortedTransaction> {
        self.producers.unstable().into_iter().flat_map(move |unstable| unstable.aborted(from, to))
    }

    /// Where the last stable offset has to be: where the oldest open transaction begins, if any is
    /// open, else where the log ends.
    pub(crate) fn stable_offset(&self) -> i64 {
        let open = self.producers.unstable().and_then(Unstable::first_offset);
        open.map_or(self.high_watermark, |first_offset| first_offset.max(self.log_start_offset))
    }

    /// The leader epoch of a leader of Raft term `term`.
    pub fn leader_epoch(&self, term: u64) -> i32 {
        let term = i32::try_from(term).unwrap_or(i32::MAX);
        self.leader_epoch_base.saturating_add(term)
    }

    /// Kafka's OffsetsForLeaderEpoch: the largest epoch not above `epoch`, and where it ends.
    /// `current` is the partition's leader epoch now.
    pub fn end_of_leader_epoch(&self, epoch: i32, current: i32) -> Option<(i32, i64)> {
        if epoch == current {
            return Some((epoch, self.high_watermark));
        }
        if epoch > current {
            return None;
        }
        let after = self.leader_epochs.partition_point(|e| e.epoch <= epoch);
        let end = self.leader_epochs.get(after).map_or(self.high_watermark, |next| next.start_offset);
        match after.checked_sub(1).and_then(|i| self.leader_epochs.get(i)) {
            Some(found) => Some((found.epoch, end)),
            // Older than everything known: nothing of it is left.
            None => Some((epoch, end)),
        }
    }

    /// Notes the epoch of records that begin at `start_offset`.
    pub(crate) fn note_leader_epoch(&mut self, epoch: i32, start_offset: i64) {
        if self.leader_epochs.last().is_none_or(|last| last.epoch < epoch) {
            if self.leader_epochs.len() == MAX_LEADER_EPOCHS {
                self.leader_epochs.remove(0);
            }
            if self.leader_epochs.is_empty() {
                self.leader_epochs.reserve_exact(1);
            }
            self.leader_epochs.push(LeaderEpoch { epoch, start_offset });
        }
    }

    /// Forgets epochs that ended below the log start offset.
    fn trim_leader_epochs(&mut self) {
        let start = self.log_start_offset;
        let ended = self.leader_epochs.partition_point(|e| e.start_offset <= start).saturating_sub(1);
        self.leader_epochs.drain(..ended);
        if let Some(first) = self.leader_epochs.first_mut() {
            first.start_offset = first.start_offset.max(start);
        }
    }

    pub(crate) fn row(&self) -> PartitionRow {
        PartitionRow {
            topic: self.topic.to_string(),
            leader_epoch_base: self.leader_epoch_base,
            log_start_offset: self.log_start_offset,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset,
            archived_end: self.archived_end,
            leader_epochs: self.leader_epochs.clone(),
            producer_sweep_at_ms: self.producers.sweep_at_ms(),
        }
    }

    fn from_row(row: PartitionRow, topic: Arc<str>) -> Self {
        let mut partition = Self::new(topic, row.leader_epoch_base);
        partition.log_start_offset = row.log_start_offset;
        partition.high_watermark = row.high_watermark;
        partition.last_stable_offset = row.last_stable_offset;
        partition.archived_end = row.archived_end;
        partition.leader_epochs = row.leader_epochs;
        partition.producers.set_sweep_at_ms(row.producer_sweep_at_ms);
        partition
    }

    pub(crate) fn out_of_range(&self, offset: i64) -> Rejection {
        let (log_start_offset, high_watermark) = (self.log_start_offset, self.high_watermark);
        Rejection::OffsetOutOfRange { offset, log_start_offset, high_watermark }
    }
}

impl State {
    pub(crate) fn open_partition(
        &mut self,
        command: &OpenPartition,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let OpenPartition { partition: id, topic, leader_epoch_base } = command;
        if topic.is_empty() || topic.len() > MAX_STRING_BYTES || id.partition < 0 || *leader_epoch_base < 0 {
            return Err(Rejection::Invalid("partition number, epoch base or topic name".into()));
        }
        let fresh = !self.partitions.contains_key(id);
        let name = self.shared_topic(*id, topic);
        let partition = self
            .partitions
            .entry(*id)
            .or_insert_with(|| PartitionState::new(name.clone(), *leader_epoch_base).into());
        if !fresh && *partition.topic == **topic && partition.leader_epoch_base >= *leader_epoch_base {
            return Ok(Outcome::Done);
        }
        partition.topic = name;
        partition.leader_epoch_base = partition.leader_epoch_base.max(*leader_epoch_base);
        self.dirty.mark(RowKey::Partition(*id));
        effects.push(Effect::PartitionOpened(*id));
        Ok(Outcome::Done)
    }

    pub(crate) fn close_partition(
        &mut self,
        id: PartitionId,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let partition = self.partitions.remove(&id).ok_or(Rejection::UnknownPartition(id))?;
        self.dirty.mark(RowKey::Partition(id));
        for base_offset in partition.objects.keys() {
            self.dirty.mark(RowKey::Object(id, *base_offset));
        }
        self.mark_producers(id, partition.producers.iter().map(|producer| producer.producer_id));
        for aborted in partition.aborted(i64::MIN, i64::MAX) {
            self.dirty.mark(RowKey::Aborted(id, aborted.last_offset));
        }
        self.forget_received_by(id);
        let garbage = partition.objects.into_values().collect();
        effects.push(Effect::PartitionClosed { partition: id, garbage });
        Ok(Outcome::Done)
    }

    pub(crate) fn trim(&mut self, command: &Trim, effects: &mut Vec<Effect>) -> Result<Outcome, Rejection> {
        let id = command.partition;
        let partition = self.partitions.get_mut(&id).ok_or(Rejection::UnknownPartition(id))?;
        let start = command.log_start_offset;
        if start < 0 || start > partition.high_watermark {
            return Err(partition.out_of_range(start));
        }
        if start <= partition.log_start_offset {
            return Ok(Outcome::Done);
        }
        partition.log_start_offset = start;
        partition.archived_end = partition.archived_end.max(start);
        partition.last_stable_offset = partition.stable_offset();
        partition.trim_leader_epochs();
        for last_offset in partition.producers.forget_aborted_below(start) {
            self.dirty.mark(RowKey::Aborted(id, last_offset));
        }
        let mut garbage = Vec::new();
        while let Some(first) = partition.objects.first_entry() {
            if first.get().last_offset >= start {
                break;
            }
            self.dirty.mark(RowKey::Object(id, *first.key()));
            garbage.push(first.remove());
        }
        self.dirty.mark(RowKey::Partition(id));
        effects.push(Effect::Trimmed { partition: id, log_start_offset: start, garbage });
        Ok(Outcome::Done)
    }

    pub(crate) fn commit_archive(
        &mut self,
        command: &CommitArchive,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Rejection> {
        let CommitArchive { partition: id, expected_archived_end: expected, object } = command;
        let partition = self.partitions.get_mut(id).ok_or(Rejection::UnknownPartition(*id))?;
        if partition.archived_end != *expected {
            return Err(Rejection::Conflict { expected: *expected, found: partition.archived_end });
        }
        if object.base_offset != *expected || object.last_offset < object.base_offset {
            return Err(Rejection::Invalid("object does not begin at the archived end".into()));
        }
        if object.last_offset >= partition.last_stable_offset {
            return Err(partition.out_of_range(object.last_offset));
        }
        if object.path.is_empty() || object.path.len() > MAX_STRING_BYTES {
            return Err(Rejection::Invalid("object path".into()));
        }
        let object = Arc::new(object.clone());
        partition.archived_end = object.last_offset.saturating_add(1);
        partition.objects.insert(object.base_offset, object.clone());
        for last_offset in partition.producers.forget_aborted_below(partition.archived_end) {
            self.dirty.mark(RowKey::Aborted(*id, last_offset));
        }
        self.dirty.mark(RowKey::Partition(*id));
        self.dirty.mark(RowKey::Object(*id, object.base_offset));
        let archived_end = partition.archived_end;
        effects.push(Effect::ArchiveCommitted { partition: *id, archived_end, object });
        Ok(Outcome::Done)
    }

    pub(crate) fn load_partition(&mut self, id: PartitionId, row: PartitionRow) {
        let topic = self.shared_topic(id, &row.topic);
        self.partitions.insert(id, PartitionState::from_row(row, topic).into());
    }

    /// The topic's name, in the allocation that the topic's first partition has.
    fn shared_topic(&self, id: PartitionId, name: &str) -> Arc<str> {
        let first = PartitionId { partition: i32::MIN, ..id };
        match self.partitions.range(first..).next() {
            Some((found, sibling)) if found.topic_id == id.topic_id && *sibling.topic == *name => {
                sibling.topic.clone()
            }
            _ => name.into(),
        }
    }

    pub(crate) fn load_object(&mut self, id: PartitionId, object: ArchivedObject) -> Result<(), Error> {
        self.partition_of_row(id)?.objects.insert(object.base_offset, Arc::new(object));
        Ok(())
    }

    pub(crate) fn load_producer(
        &mut self,
        id: PartitionId,
        pid: i64,
        row: &ProducerRow,
    ) -> Result<(), Error> {
        self.partition_of_row(id)?.producers.restore(pid, Producer::from_row(row));
        Ok(())
    }

    pub(crate) fn load_producer_transactions(
        &mut self,
        id: PartitionId,
        pid: i64,
        row: ProducerTransactions,
    ) -> Result<(), Error> {
        if self.partition_of_row(id)?.producers.restore_transactions(pid, row) {
            return Ok(());
        }
        Err(Error::corrupt("state row", format!("transactions of absent producer {pid}")))
    }

    pub(crate) fn load_aborted(
        &mut self,
        id: PartitionId,
        last_offset: i64,
        row: AbortedRow,
    ) -> Result<(), Error> {
        let AbortedRow { producer_id, first_offset } = row;
        let aborted = AbortedTransaction { producer_id, first_offset, last_offset };
        self.partition_of_row(id)?.producers.unstable_mut().abort(aborted);
        Ok(())
    }

    fn partition_of_row(&mut self, id: PartitionId) -> Result<&mut PartitionState, Error> {
        let absent =
            || Error::corrupt("state row", format!("of absent partition {}-{}", id.topic_id, id.partition));
        self.partitions.get_mut(&id).map(AsMut::as_mut).ok_or_else(absent)
    }
}
