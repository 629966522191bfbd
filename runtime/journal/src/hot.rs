//! The hot store beside the state: it learns where batches went, what may go, and answers reads no
//! further than the state has got.

use tidemill_records::RecordBatch;
use tidemill_state::{BatchAppended, Effect, Extents, PartitionId};
use tidemill_wal::{HotBatch, HotRead, WalPartition};

use crate::machine::Machine;
use crate::{Error, ReadError};

impl Machine {
    /// Lets the hot store follow the state.
    pub(crate) fn follow(
        &self,
        index: u64,
        command: usize,
        extents: &Extents,
        effect: &Effect,
    ) -> Result<(), Error> {
        match effect {
            Effect::BatchAppended(batch) => {
                let range = extents.get(command, batch.append, batch.batch).ok_or_else(|| {
                    Error::Corrupt(format!(
                        "entry {index} has no batch {} of append {}",
                        batch.batch, batch.append
                    ))
                })?;
                let range = range.start as usize..range.end as usize;
                self.wal.index_batch(hot_batch(index, range, batch))?;
            }
            Effect::Trimmed { partition, log_start_offset, .. } => {
                self.wal.hot().release(wal_partition(partition), *log_start_offset);
            }
            Effect::ArchiveCommitted { partition, archived_end, .. } => {
                self.wal.hot().release(wal_partition(partition), *archived_end);
            }
            Effect::PartitionClosed { partition, .. } => self.wal.hot().forget(wal_partition(partition)),
            Effect::PartitionOpened(_) | Effect::OutboxQueued { .. } | Effect::MetadataChanged(_) => {}
        }
        Ok(())
    }

    /// Tells the hot store what it may drop: it does not remember that itself.
    pub(crate) fn release_hot(&self) {
        let built = self.built();
        let hot = self.wal.hot();
        for partition in hot.partitions() {
            let id = PartitionId { topic_id: partition.topic_id, partition: partition.partition };
            match built.state.partition(&id) {
                Some(state) => hot.release(partition, state.archived_end.max(state.log_start_offset)),
                None => hot.forget(partition),
            }
        }
    }

    pub(crate) fn read_hot(
        &self,
        partition: &PartitionId,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<HotRead, ReadError> {
        let high_watermark = self.readable_to(partition, offset)?;
        if offset == high_watermark {
            return Ok(HotRead { batches: Vec::new(), next: offset });
        }
        let found = self.wal.hot().read(wal_partition(partition), offset, max_bytes, at_least_one)?;
        let found = contiguous(found, offset, high_watermark)?;
        if at_least_one && found.batches.is_empty() {
            // An empty answer would have a consumer ask again for ever.
            return Err(ReadError::NotHot { offset, hot_start: None });
        }
        Ok(found)
    }

    /// As [`Machine::read_hot`], or none if that may read from disk or take long.
    pub(crate) fn read_hot_cached(
        &self,
        partition: &PartitionId,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<HotRead>, ReadError> {
        let high_watermark = self.readable_to(partition, offset)?;
        let hot = self.wal.hot();
        let Some(found) = hot.read_cached(wal_partition(partition), offset, max_bytes, at_least_one)? else {
            return Ok(None);
        };
        let found = contiguous(found, offset, high_watermark)?;
        Ok(Some(found).filter(|found| !found.batches.is_empty()))
    }

    /// The high watermark, for reads from an offset that is not beyond it.
    fn readable_to(&self, partition: &PartitionId, offset: i64) -> Result<i64, ReadError> {
        let built = self.built();
        let state = built.state.partition(partition).ok_or(ReadError::UnknownPartition)?;
        let (log_start_offset, high_watermark) = (state.log_start_offset, state.high_watermark);
        if offset < log_start_offset || offset > high_watermark {
            return Err(ReadError::OutOfRange { offset, log_start_offset, high_watermark });
        }
        Ok(high_watermark)
    }
}

/// What was found, up to the first gap (a replica that took a snapshot has gaps), and up to where the
/// state that was looked at ends, for more may have been applied since.
fn contiguous(mut found: HotRead, offset: i64, high_watermark: i64) -> Result<HotRead, ReadError> {
    let mut next = found.batches.first().map_or(offset, RecordBatch::base_offset);
    if next > offset {
        return Err(ReadError::NotHot { offset, hot_start: Some(next) });
    }
    let whole = found.batches.iter().take_while(|batch| {
        let follows = batch.base_offset() == next && batch.next_offset() <= high_watermark;
        next = batch.next_offset();
        follows
    });
    let whole = whole.count();
    found.batches.truncate(whole);
    found.next = found.batches.last().map_or(offset, RecordBatch::next_offset);
    Ok(found)
}

fn hot_batch(entry_index: u64, range: std::ops::Range<usize>, batch: &BatchAppended) -> HotBatch {
    HotBatch {
        partition: wal_partition(&batch.partition),
        base_offset: batch.base_offset,
        last_offset: batch.last_offset,
        leader_epoch: batch.leader_epoch,
        max_timestamp_ms: batch.max_timestamp_ms,
        entry_index,
        range,
    }
}

pub(crate) fn wal_partition(id: &PartitionId) -> WalPartition {
    WalPartition { topic_id: id.topic_id, partition: id.partition }
}
