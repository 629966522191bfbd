//! What is known in memory: files, entry positions, and which files hold which partition's batches.
//!
//! One lock guards it, held for microseconds and never across I/O: readers copy out what they need,
//! with an `Arc` of the file, and read without it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::Error;
use crate::file::WalFile;
use crate::frame::FRAME_HEADER_BYTES;
use crate::hot::extent::BatchExtent;
use crate::hot::span::{Partition, Span};
use crate::names::FileId;
use crate::types::{HotBatch, LogId, WalPartition};

/// Batches of a file that has no footer yet.
#[derive(Default)]
pub(crate) struct OpenExtents {
    /// Shared with whoever writes the footer, once no more are added.
    pub(crate) by_partition: HashMap<WalPartition, Arc<Vec<BatchExtent>>>,
    /// Those that are not in the file's index log yet, in log order.
    pub(crate) unsaved: Vec<Unsaved>,
}

#[derive(Clone, Copy)]
pub(crate) struct Unsaved {
    pub(crate) entry_index: u64,
    pub(crate) partition: WalPartition,
    pub(crate) extent: BatchExtent,
}

/// A segment or relocation file.
pub(crate) struct FileState {
    pub(crate) file: Arc<WalFile>,
    /// Its length on disk, allocated space and footer included.
    pub(crate) bytes: u64,
    /// Length of its index log.
    pub(crate) index_log_bytes: u64,
    /// One past the last entry or moved batch.
    pub(crate) end: u64,
    /// The last entry; none in relocation files and empty segments.
    pub(crate) last: Option<LogId>,
    /// Where the frames of its entries begin; none if not needed or not read yet.
    pub(crate) positions: Option<Vec<u64>>,
    /// None once the file has its footer.
    pub(crate) open: Option<OpenExtents>,
    /// Bytes of its batches that are still needed.
    pub(crate) live_bytes: u64,
}

impl FileState {
    /// Index of the last entry that the file accounts for.
    pub(crate) fn last_index(&self) -> u64 {
        match (self.file.id, self.last) {
            (_, Some(last)) => last.index,
            (FileId::Segment(first), None) => first.saturating_sub(1),
            (_, None) => 0,
        }
    }

    /// Where the frame of entry `index` begins and ends, if positions are known.
    pub(crate) fn frame(&self, index: u64) -> Option<(u64, u64)> {
        let nth = usize::try_from(index.checked_sub(self.file.id.number())?).ok()?;
        let positions = self.positions.as_ref()?;
        let start = *positions.get(nth)?;
        Some((start, positions.get(nth + 1).copied().unwrap_or(self.end)))
    }
}

#[derive(Default)]
pub(crate) struct Index {
    pub(crate) files: BTreeMap<FileId, FileState>,
    pub(crate) partitions: HashMap<WalPartition, Partition>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    /// Counts truncations, so that a reader can tell that its positions are stale.
    pub(crate) truncations: u64,
}

impl Index {
    /// Index of the first entry that readers of the log may see.
    pub(crate) fn first_index(&self) -> u64 {
        let first = self.files.values().find_map(|state| match state.file.id {
            FileId::Segment(first) => Some(first),
            _ => None,
        });
        first.unwrap_or(0).max(self.purged.map_or(0, |purged| purged.index + 1))
    }

    /// The segment that holds entry `index`.
    pub(crate) fn segment_with(&self, index: u64) -> Option<&FileState> {
        let (_, state) = self.files.range(FileId::Segment(0)..=FileId::Segment(index)).next_back()?;
        (state.last?.index >= index).then_some(state)
    }

    /// The newest segment, the one that is appended to.
    pub(crate) fn active(&self) -> Option<FileId> {
        self.files.keys().next_back().copied().filter(|id| matches!(id, FileId::Segment(_)))
    }

    /// Bytes of all files.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.files.values().map(|state| state.bytes + state.index_log_bytes).sum()
    }

    /// Takes note of a batch of an applied entry.
    pub(crate) fn index_batch(&mut self, batch: &HotBatch) -> Result<(), Error> {
        let unknown = || Error::misuse(format!("entry {} is not in the log", batch.entry_index));
        let id = self.segment_with(batch.entry_index).ok_or_else(unknown)?.file.id;
        let state = self.files.get_mut(&id).ok_or_else(unknown)?;
        if state.open.is_none() {
            return Ok(()); // its footer has all of its batches
        }
        let partition = self.partitions.entry(batch.partition).or_default();
        if batch.base_offset < partition.end {
            return Ok(());
        }
        let (frame_at, frame_end) = state.frame(batch.entry_index).ok_or_else(unknown)?;
        let payload_at = frame_at + FRAME_HEADER_BYTES as u64;
        let inside = batch.range.start < batch.range.end
            && payload_at + batch.range.end as u64 <= frame_end
            && (0..=batch.last_offset).contains(&batch.base_offset);
        let (true, Ok(size)) = (inside, u32::try_from(batch.range.len())) else {
            return Err(Error::misuse(format!("batch {batch:?} does not fit into its entry")));
        };
        let extent = BatchExtent {
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            leader_epoch: batch.leader_epoch,
            max_timestamp_ms: batch.max_timestamp_ms,
            position: payload_at + batch.range.start as u64,
            size,
        };
        if let Some(open) = &mut state.open {
            Arc::make_mut(open.by_partition.entry(batch.partition).or_default()).push(extent);
            open.unsaved.push(Unsaved { entry_index: batch.entry_index, partition: batch.partition, extent });
        }
        state.live_bytes += u64::from(size);
        partition.extend(id, &extent);
        Ok(())
    }

    /// Adds spans found at recovery. Where two files hold the same offsets (a relocation whose source
    /// was not deleted any more), one of them counts.
    pub(crate) fn insert_spans(&mut self, mut found: Vec<(WalPartition, Span)>) {
        found.sort_by_key(|(partition, span)| {
            let newest_copy_first = match span.file {
                FileId::Relocation(number) => u64::MAX - number,
                _ => u64::MAX,
            };
            (*partition, span.from, Reverse(span.last), newest_copy_first)
        });
        for (id, mut span) in found {
            let partition = self.partitions.entry(id).or_default();
            if span.last < partition.end {
                continue;
            }
            if span.from < partition.end {
                span.from = partition.end;
                span.exact = false;
            }
            partition.end = span.last.saturating_add(1);
            partition.spans.push_back(span);
            self.add_live(&span);
        }
    }

    pub(crate) fn add_live(&mut self, span: &Span) {
        if let Some(state) = self.files.get_mut(&span.file) {
            state.live_bytes += span.bytes;
        }
    }

    pub(crate) fn remove_live(&mut self, span: &Span) {
        if let Some(state) = self.files.get_mut(&span.file) {
            state.live_bytes = state.live_bytes.saturating_sub(span.bytes);
        }
    }

    /// Forgets the single batches of a span that is no longer needed.
    pub(crate) fn drop_extents(&mut self, partition: WalPartition, span: &Span) {
        if let Some(open) = self.files.get_mut(&span.file).and_then(|state| state.open.as_mut()) {
            open.by_partition.remove(&partition);
        }
    }

    /// Whether a file may be deleted or copied forward, as far as the log is concerned: it is closed,
    /// has its footer, and its entries are at or below `bound`.
    pub(crate) fn is_settled(&self, state: &FileState, bound: u64) -> bool {
        state.open.is_none() && state.last_index() <= bound
    }

    /// Sets the purge position and drops what only readers of the log needed.
    pub(crate) fn purge(&mut self, upto: LogId) {
        self.purged = self.purged.max_by_index(upto);
        self.last = self.last.max_by_index(upto);
        for state in self.files.values_mut() {
            if state.open.is_none() && state.last_index() <= upto.index {
                state.positions = None;
            }
        }
    }
}

trait MaxByIndex {
    fn max_by_index(self, other: LogId) -> Option<LogId>;
}

impl MaxByIndex for Option<LogId> {
    fn max_by_index(self, other: LogId) -> Option<LogId> {
        Some(self.filter(|own| own.index >= other.index).unwrap_or(other))
    }
}
