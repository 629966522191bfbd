//! The hot store: batches served straight from the log's files.
//!
//! A read looks up, under the index lock, which file holds the offset and (for a file without footer)
//! which batches to take; everything else happens without a lock: reading a footer's section, taking
//! bytes from the entry cache, reading bytes from the file. The file cannot go away meanwhile, because
//! the reader holds it. What recent entries need is in memory altogether: [`Hot::read_cached`].

pub(crate) mod extent;
pub(crate) mod footer;
mod lookup;
pub(crate) mod sections;
pub(crate) mod span;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidemill_records::{BatchHeader, RecordBatch};

use crate::error::Error;
use crate::file::WalFile;
use crate::names::FileId;
use crate::shared::Shared;
use crate::types::WalPartition;
use extent::BatchExtent;
use lookup::{Found, choose, find};

/// Batches read from the hot store.
#[derive(Clone, Debug, Default)]
pub struct HotRead {
    /// Whole batches in offset order, base offset and leader epoch patched in. The first may begin
    /// before the offset asked for.
    pub batches: Vec<RecordBatch>,
    /// The offset to ask for next.
    pub next: i64,
}

/// A batch found by timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampHit {
    /// The batch's first offset.
    pub base_offset: i64,
    /// The largest timestamp in it.
    pub max_timestamp_ms: i64,
}

/// Reads of the hot store. Clones share it.
#[derive(Clone)]
pub struct Hot {
    pub(crate) shared: Arc<Shared>,
}

impl Hot {
    /// Whole batches from `offset` on, up to `max_bytes` (a first batch that is larger is given
    /// nevertheless if `at_least_one`). Nothing at or beyond the end; [`Error::NotHot`] before the start
    /// and in a gap that an installed snapshot has left.
    pub fn read(
        &self,
        partition: WalPartition,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<HotRead, Error> {
        self.shared.running()?;
        let mut read = HotRead { batches: Vec::new(), next: offset };
        let mut budget = max_bytes;
        loop {
            let must_have_one = at_least_one && read.batches.is_empty();
            let (file, extents, complete) =
                match find(&self.shared, partition, read.next, budget, must_have_one) {
                    Found::End => return Ok(read),
                    Found::NotHot { .. } if !read.batches.is_empty() => return Ok(read),
                    Found::NotHot { start } => return Err(Error::NotHot { offset, start }),
                    Found::Batches { file, extents, complete } => (file, extents, complete),
                    Found::InFooter { file, span, section } => {
                        let all = self.shared.section(&file, section)?;
                        let (extents, complete) = choose(&all, read.next, &span, budget, must_have_one);
                        (file, extents, complete)
                    }
                };
            let Some(last) = extents.last().map(|extent| extent.last_offset) else {
                return Ok(read);
            };
            read_batches(&self.shared, &file, &extents, &mut read.batches)?;
            budget = budget.saturating_sub(extents.iter().map(|extent| extent.size as usize).sum());
            read.next = last.saturating_add(1);
            if !complete {
                return Ok(read);
            }
        }
    }

    /// As [`Hot::read`] within one file, where that takes no I/O and little time: all of it from the entry
    /// cache, at most [`MAX_CACHED_BATCHES`]. None where it would take more, whatever stands at the offset.
    pub fn read_cached(
        &self,
        partition: WalPartition,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<HotRead>, Error> {
        self.shared.running()?;
        let found = find(&self.shared, partition, offset, max_bytes, at_least_one);
        let Found::Batches { file, extents, .. } = found else { return Ok(None) };
        if extents.is_empty() || extents.len() > MAX_CACHED_BATCHES {
            return Ok(None);
        }
        let cached: Option<Vec<Bytes>> = cached(&self.shared, &file, &extents).into_iter().collect();
        let Some(cached) = cached else { return Ok(None) };
        let batches = extents.iter().zip(cached).map(|(extent, bytes)| from_cache(&file, extent, bytes));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let next = extents.last().map_or(offset, |last| last.last_offset.saturating_add(1));
        Ok(Some(HotRead { batches, next }))
    }

    /// The first hot batch with a timestamp of at least `timestamp_ms`.
    pub fn offset_for_timestamp(
        &self,
        partition: WalPartition,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampHit>, Error> {
        self.shared.running()?;
        lookup::by_timestamp(&self.shared, partition, timestamp_ms)
    }

    /// The hot batch with the largest timestamp, the earliest of equals.
    pub fn max_timestamp(&self, partition: WalPartition) -> Result<Option<TimestampHit>, Error> {
        self.shared.running()?;
        lookup::max_timestamp(&self.shared, partition)
    }

    /// First hot offset of the partition.
    #[must_use]
    pub fn start(&self, partition: WalPartition) -> Option<i64> {
        self.shared.index.read().partitions.get(&partition)?.start()
    }

    /// One past the last hot offset of the partition; none if nothing of it is hot.
    #[must_use]
    pub fn end(&self, partition: WalPartition) -> Option<i64> {
        let index = self.shared.index.read();
        Some(index.partitions.get(&partition)?.spans.back()?.last.saturating_add(1))
    }

    /// Bytes of the partition's hot batches.
    #[must_use]
    pub fn bytes(&self, partition: WalPartition) -> u64 {
        let index = self.shared.index.read();
        let spans = index.partitions.get(&partition).map(|partition| &partition.spans);
        spans.map_or(0, |spans| spans.iter().map(|span| span.bytes).sum())
    }

    /// Offsets below `upto` are archived or trimmed: their bytes may go. Does no I/O. Not persisted:
    /// the caller says it again after opening the log.
    pub fn release(&self, partition: WalPartition, upto: i64) {
        let mut index = self.shared.index.write();
        let gone = index.partitions.entry(partition).or_default().release(upto);
        for span in gone {
            index.remove_live(&span);
            index.drop_extents(partition, &span);
        }
    }

    /// The partition is no more. Does no I/O. The caller says it again after opening the log.
    pub fn forget(&self, partition: WalPartition) {
        let mut index = self.shared.index.write();
        let Some(forgotten) = index.partitions.remove(&partition) else {
            return;
        };
        for span in forgotten.spans {
            index.remove_live(&span);
            index.drop_extents(partition, &span);
        }
    }

    /// Every partition with hot batches, so that the caller can forget those it no longer knows.
    #[must_use]
    pub fn partitions(&self) -> Vec<WalPartition> {
        let index = self.shared.index.read();
        let hot = index.partitions.iter().filter(|(_, partition)| !partition.spans.is_empty());
        hot.map(|(id, _)| *id).collect()
    }
}

/// Most batches that [`Hot::read_cached`] gives: some tens of microseconds.
const MAX_CACHED_BATCHES: usize = 256;

/// Largest run of neighbouring batches that is read at once.
const MAX_READ_BYTES: usize = 4 << 20;

/// Gives the batches of one file, those that are not cached read from it in runs.
fn read_batches(
    shared: &Shared,
    file: &WalFile,
    extents: &[BatchExtent],
    batches: &mut Vec<RecordBatch>,
) -> Result<(), Error> {
    let mut missing: Vec<BatchExtent> = Vec::new();
    for (extent, cached) in extents.iter().zip(cached(shared, file, extents)) {
        let Some(bytes) = cached else {
            if !continues(&missing, extent) {
                read_run(shared, file, &missing, batches)?;
                missing.clear();
            }
            missing.push(*extent);
            continue;
        };
        read_run(shared, file, &missing, batches)?;
        missing.clear();
        batches.push(from_cache(file, extent, bytes)?);
    }
    read_run(shared, file, &missing, batches)
}

/// What the entry cache has of each of these batches.
fn cached(shared: &Shared, file: &WalFile, extents: &[BatchExtent]) -> Vec<Option<Bytes>> {
    let FileId::Segment(number) = file.id else {
        return vec![None; extents.len()];
    };
    let cache = shared.cache.lock();
    extents.iter().map(|extent| cache.slice(number, extent.position, extent.size as usize)).collect()
}

/// A batch as it was appended, with its place patched in. Its checksum was checked before.
fn from_cache(file: &WalFile, extent: &BatchExtent, bytes: Bytes) -> Result<RecordBatch, Error> {
    let batch = RecordBatch::parse(bytes).map_err(|error| not_a_batch(file, extent, &error))?;
    Ok(batch.patched(extent.base_offset, extent.leader_epoch))
}

/// Whether `extent` directly follows the run and fits into it.
fn continues(run: &[BatchExtent], extent: &BatchExtent) -> bool {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return true;
    };
    last.position + u64::from(last.size) == extent.position
        && extent.position + u64::from(extent.size) - first.position <= MAX_READ_BYTES as u64
}

/// Reads neighbouring batches at once, patches them in place and checks them.
fn read_run(
    shared: &Shared,
    file: &WalFile,
    run: &[BatchExtent],
    batches: &mut Vec<RecordBatch>,
) -> Result<(), Error> {
    let Some(first) = run.first() else { return Ok(()) };
    let len = run.iter().map(|extent| extent.size as usize).sum();
    let mut bytes = file.read_batches(first.position, len, &shared.read_demand)?;
    for extent in run {
        let batch = bytes.split_to(extent.size as usize);
        batches.push(patched(batch, extent).map_err(|error| not_a_batch(file, extent, &error))?);
    }
    Ok(())
}

fn patched(mut bytes: BytesMut, extent: &BatchExtent) -> Result<RecordBatch, tidemill_records::Error> {
    let mut header = BatchHeader::decode(&bytes)?;
    header.base_offset = extent.base_offset;
    header.partition_leader_epoch = extent.leader_epoch;
    let encoded = header.encode();
    if let Some(front) = bytes.get_mut(..encoded.len()) {
        front.copy_from_slice(&encoded);
    }
    let batch = RecordBatch::parse(bytes.freeze())?;
    batch.verify_crc()?;
    Ok(batch)
}

fn not_a_batch(file: &WalFile, extent: &BatchExtent, error: &tidemill_records::Error) -> Error {
    file.corrupt(extent.position, format!("batch {} does not check out: {error}", extent.base_offset))
}

/// Reads and checks batches as they are stored, for copying them elsewhere.
pub(crate) fn read_stored(shared: &Shared, file: &WalFile, extent: &BatchExtent) -> Result<Bytes, Error> {
    let bytes = file.read_batches(extent.position, extent.size as usize, &shared.read_demand)?.freeze();
    let checked = RecordBatch::parse(bytes.clone()).and_then(|batch| batch.verify_crc());
    checked.map_err(|error| not_a_batch(file, extent, &error))?;
    Ok(bytes)
}
