//! Offsets by kind, by time and by leader epoch, and moving the log start.

use std::sync::Arc;

use tidemill_records::{RecordBatch, Records, TimestampType};
use tidemill_state::{ArchivedObject, Command, PartitionState, Trim};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::fetch::Isolation;
use crate::journals::{done, rejected};
use crate::partition::{Partition, Watermarks};
use crate::topics::TopicRef;

/// How much is read at a time while looking for a timestamp.
const SCAN_BYTES: usize = 1 << 20;
/// Largest records section of one batch after decompression.
const MAX_SECTION_BYTES: usize = 64 << 20;

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The end of what the isolation level lets see.
    Latest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first offset that is still in the log on local disk.
    EarliestLocal,
    /// The last offset that is archived.
    LatestTiered,
    /// The first record at or after this time.
    Timestamp(i64),
}

/// An offset that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset, or -1 if there is no such record.
    pub offset: i64,
    /// The record's timestamp, or -1 where the question was not about time.
    pub timestamp_ms: i64,
    /// Leader epoch of the record, or -1.
    pub leader_epoch: i32,
}

/// Where a leader epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest known epoch not above the one asked for, or -1.
    pub leader_epoch: i32,
    /// The offset after its last record, or -1.
    pub end_offset: i64,
}

impl ListedOffset {
    const NONE: Self = Self { offset: -1, timestamp_ms: -1, leader_epoch: -1 };
}

impl Broker {
    /// Kafka's ListOffsets for one partition.
    pub async fn list_offset(
        &self,
        topic: &TopicRef,
        partition: i32,
        spec: OffsetSpec,
        isolation: Isolation,
        current_leader_epoch: i32,
    ) -> Result<ListedOffset, Error> {
        let target = self.partition(topic, partition)?;
        let marks = target.watermarks()?;
        target.check_leader_epoch(&marks, current_leader_epoch)?;
        let end = match isolation {
            Isolation::ReadUncommitted => marks.high_watermark,
            Isolation::ReadCommitted => marks.last_stable_offset,
        };
        let offset = match spec {
            OffsetSpec::Earliest => marks.log_start_offset,
            OffsetSpec::Latest => end,
            OffsetSpec::EarliestLocal => local_start(&target, marks.log_start_offset, marks.archived_end),
            OffsetSpec::LatestTiered => match marks.archived_end {
                archived if archived > marks.log_start_offset => archived - 1,
                _ => -1,
            },
            OffsetSpec::Timestamp(time) => return self.first_at_or_after(&target, time, end).await,
            OffsetSpec::MaxTimestamp => {
                let Some(latest) = max_timestamp(&target)? else {
                    return Ok(ListedOffset::NONE);
                };
                return self.first_at_or_after(&target, latest, end).await;
            }
        };
        Ok(ListedOffset { offset, timestamp_ms: -1, leader_epoch: epoch_of(&target, offset) })
    }

    /// The first record at or after a time, in the archive or in the log.
    async fn first_at_or_after(
        &self,
        target: &Partition,
        time_ms: i64,
        end: i64,
    ) -> Result<ListedOffset, Error> {
        let candidates = Candidates::of(target, time_ms)?;
        let mut found = None;
        for (from, object) in &candidates.archived {
            found = self.archived_offset(object, *from, time_ms).await?;
            if found.is_some() {
                break;
            }
        }
        if found.is_none() {
            found = self.hot_offset(target, candidates.hot_from, end, time_ms).await?;
        }
        let listed = found.filter(|(offset, _)| *offset < end).map(|(offset, timestamp_ms)| ListedOffset {
            offset,
            timestamp_ms,
            leader_epoch: epoch_of(target, offset),
        });
        Ok(listed.unwrap_or(ListedOffset::NONE))
    }

    /// Looks through the log from a batch on that may hold such a record.
    async fn hot_offset(
        &self,
        target: &Partition,
        from: i64,
        end: i64,
        time_ms: i64,
    ) -> Result<Option<(i64, i64)>, Error> {
        let Some(hit) = target.journal.offset_for_timestamp(&target.id, time_ms)? else {
            return Ok(None);
        };
        let mut offset = hit.base_offset.max(from);
        while offset < end {
            let read = self.reader.read(target, offset, SCAN_BYTES, true).await?;
            let Some(next) = read.batches.last().map(RecordBatch::next_offset) else {
                break;
            };
            let hit = self.cpu.run(move || first_record(&read.batches, offset, time_ms)).await??;
            if hit.is_some() {
                return Ok(hit);
            }
            offset = next.max(offset + 1);
        }
        Ok(None)
    }

    /// Kafka's OffsetForLeaderEpoch for one partition.
    pub fn offset_for_leader_epoch(
        &self,
        topic: &TopicRef,
        partition: i32,
        current_leader_epoch: i32,
        leader_epoch: i32,
    ) -> Result<EpochEnd, Error> {
        let target = self.partition(topic, partition)?;
        let marks = target.watermarks()?;
        target.check_leader_epoch(&marks, current_leader_epoch)?;
        Ok(target.epoch_end(&marks, leader_epoch))
    }

    /// Kafka's DeleteRecords for one partition: everything before `offset` (-1: everything) is out
    /// of reach when this returns. Answers the new log start offset.
    pub async fn delete_records(&self, topic: &TopicRef, partition: i32, offset: i64) -> Result<i64, Error> {
        let target = self.partition(topic, partition)?;
        let marks = target.watermarks()?;
        let offset = if offset == -1 { marks.high_watermark } else { offset };
        if offset < 0 || offset > marks.high_watermark {
            let message = format!("offset {offset} is outside of 0..={}", marks.high_watermark);
            return Err(Error::new(ErrorKind::OffsetOutOfRange, message));
        }
        if offset > marks.log_start_offset {
            let trim = Trim { partition: target.id, log_start_offset: offset };
            done(target.journal.propose(Command::Trim(trim)).await?)
                .map_err(|rejection| rejected(&rejection))?;
        }
        Ok(target.watermarks()?.log_start_offset)
    }
}

impl Partition {
    /// The largest epoch that is not above `leader_epoch`, and where it ends.
    pub(crate) fn epoch_end(&self, marks: &Watermarks, leader_epoch: i32) -> EpochEnd {
        let end = self.journal.state(|state| {
            let partition = state.partition(&self.id)?;
            partition.end_of_leader_epoch(leader_epoch, marks.leader_epoch)
        });
        let (leader_epoch, end_offset) = end.unwrap_or((-1, -1));
        EpochEnd { leader_epoch, end_offset }
    }
}

/// Where a record as late as some time may be: archived objects by their largest timestamp, each
/// with the offset to look from, and the hot part.
struct Candidates {
    archived: Vec<(i64, Arc<ArchivedObject>)>,
    hot_from: i64,
}

impl Candidates {
    fn of(target: &Partition, time_ms: i64) -> Result<Self, Error> {
        let found = target.journal.state(|state| {
            let partition = state.partition(&target.id)?;
            let start = partition.log_start_offset;
            let objects = partition.objects().values().filter(|object| object.max_timestamp_ms >= time_ms);
            let archived =
                objects.map(|object| (object.base_offset.max(start), Arc::clone(object))).collect();
            Some(Self { archived, hot_from: partition.archived_end.max(start) })
        });
        found.ok_or_else(|| Error::unknown_partition(&target.topic.name, target.id.partition))
    }
}

/// The largest timestamp of the partition, if it has any records.
fn max_timestamp(target: &Partition) -> Result<Option<i64>, Error> {
    let archived = target.journal.state(|state| {
        let partition = state.partition(&target.id)?;
        partition.objects().values().map(|object| object.max_timestamp_ms).max()
    });
    let hot = target.journal.max_timestamp(&target.id)?.map(|hit| hit.max_timestamp_ms);
    Ok(archived.max(hot).filter(|timestamp| *timestamp >= 0))
}

/// The first record at or after both an offset and a time.
fn first_record(batches: &[RecordBatch], from: i64, time_ms: i64) -> Result<Option<(i64, i64)>, Error> {
    for batch in batches {
        let header = batch.header();
        if batch.is_control() || header.max_timestamp < time_ms || batch.last_offset() < from {
            continue;
        }
        if batch.timestamp_type() == TimestampType::LogAppendTime {
            return Ok(Some((batch.base_offset().max(from), header.max_timestamp)));
        }
        let section = batch.uncompressed_records(MAX_SECTION_BYTES)?;
        for record in Records::new(&section, batch.record_count()) {
            let record = record?;
            let (offset, timestamp) = (batch.offset_of(&record), batch.timestamp_of(&record));
            if offset >= from && timestamp >= time_ms {
                return Ok(Some((offset, timestamp)));
            }
        }
    }
    Ok(None)
}

/// The first offset in the local log; the log's end if it holds nothing.
fn local_start(target: &Partition, log_start: i64, archived_end: i64) -> i64 {
    target.journal.hot_start(&target.id).unwrap_or(archived_end).max(log_start)
}

/// Leader epoch of the record at an offset, or -1.
fn epoch_of(target: &Partition, offset: i64) -> i32 {
    let find = |partition: &PartitionState| {
        let after = partition.leader_epochs.partition_point(|epoch| epoch.start_offset <= offset);
        let found = after.checked_sub(1).and_then(|place| partition.leader_epochs.get(place));
        found.map_or(-1, |epoch| epoch.epoch)
    };
    target.journal.state(|state| state.partition(&target.id).map_or(-1, find))
}
