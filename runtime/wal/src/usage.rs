//! How much disk the log takes and what keeps it.

use std::collections::HashSet;

use crate::names::FileId;
use crate::shared::Shared;
use crate::types::WalPartition;

/// Disk usage of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files, allocated space included.
    pub total_bytes: u64,
    /// Those of files that wait to become segments: they go when room is short.
    pub spare_bytes: u64,
    /// Bytes of batches that are still needed.
    pub live_bytes: u64,
    /// The bound for producers' data.
    pub max_bytes: u64,
    /// Oldest first; relocation files come first of all.
    pub files: Vec<FileUsage>,
}

/// Disk usage of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUsage {
    /// Its name.
    pub name: String,
    /// Its bytes, allocated space included.
    pub bytes: u64,
    /// Bytes of its batches that are still needed.
    pub live_bytes: u64,
    /// Index of its last entry; none for a relocation file or an empty file.
    pub last_index: Option<u64>,
}

/// A partition that keeps files from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub partition: WalPartition,
    /// Its live bytes in those files.
    pub live_bytes: u64,
    /// Its first hot offset.
    pub start: i64,
}

/// What [`Wal::reclaim`](crate::Wal::reclaim) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Files deleted.
    pub deleted_files: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Bytes copied forward into relocation files.
    pub relocated_bytes: u64,
    /// Files that may go and stayed because a reader was on them.
    pub held_files: u64,
}

/// Disk usage now.
pub(crate) fn usage(shared: &Shared) -> Usage {
    let index = shared.index.read();
    let files = index.files.values().map(|state| FileUsage {
        name: state.file.name.clone(),
        bytes: state.bytes + state.index_log_bytes,
        live_bytes: state.live_bytes,
        last_index: state.last.map(|last| last.index),
    });
    let spare_bytes = shared.spares.lock().bytes();
    Usage {
        total_bytes: index.total_bytes().saturating_add(spare_bytes),
        spare_bytes,
        live_bytes: index.files.values().map(|state| state.live_bytes).sum(),
        max_bytes: shared.options.max_bytes,
        files: files.collect(),
    }
}

/// The partitions with live bytes in the `files` oldest closed files, the largest first.
pub(crate) fn pins(shared: &Shared, files: usize) -> Vec<Pin> {
    let index = shared.index.read();
    let active = index.active();
    let oldest: HashSet<FileId> =
        index.files.keys().filter(|id| Some(**id) != active).take(files).copied().collect();
    let mut pins: Vec<Pin> = index
        .partitions
        .iter()
        .filter_map(|(partition, hot)| {
            let pinning = hot.spans.iter().filter(|span| oldest.contains(&span.file));
            let live_bytes = pinning.map(|span| span.bytes).sum();
            (live_bytes > 0).then_some(Pin { partition: *partition, live_bytes, start: hot.start()? })
        })
        .collect();
    pins.sort_by_key(|pin| (std::cmp::Reverse(pin.live_bytes), pin.partition));
    pins
}
