//! Recent entries' payloads, as they were appended: for apply, for followers and for consumers at
//! the tail, all of whom share the same `Bytes`.
//!
//! The cache holds the newest entries without a gap. Its bound counts payload bytes; a payload that
//! is a slice of a larger buffer keeps that buffer alive, so proposers should not hand in thin
//! slices of fat buffers.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::types::{LogId, StoredEntry};

struct Cached {
    log_id: LogId,
    segment: u64,
    payload_at: u64,
    len: usize,
    parts: Vec<Bytes>,
}

pub(crate) struct EntryCache {
    entries: VecDeque<Cached>,
    bytes: usize,
    max_bytes: usize,
}

impl EntryCache {
    pub(crate) fn new(max_bytes: usize) -> EntryCache {
        EntryCache { entries: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Adds the newest entry, whose payload stands at `payload_at` in the segment numbered `segment`.
    pub(crate) fn push(&mut self, segment: u64, payload_at: u64, entry: StoredEntry) {
        let StoredEntry { log_id, parts } = entry;
        if self.entries.back().is_some_and(|last| last.log_id.index + 1 != log_id.index) {
            self.entries.clear();
            self.bytes = 0;
        }
        let len = parts.iter().map(Bytes::len).sum();
        self.bytes += len;
        self.entries.push_back(Cached { log_id, segment, payload_at, len, parts });
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.len;
        }
    }

    /// Drops the entries from `index` on.
    pub(crate) fn truncate(&mut self, index: u64) {
        while let Some(last) = self.entries.pop_back_if(|last| last.log_id.index >= index) {
            self.bytes -= last.len;
        }
    }

    /// The entries from `index` to before `end` that are cached, until they exceed `max_bytes`.
    pub(crate) fn entries(&self, index: u64, end: u64, max_bytes: u64) -> Vec<StoredEntry> {
        let first = self.entries.front().map_or(u64::MAX, |first| first.log_id.index);
        let Some(skip) = index.checked_sub(first) else {
            return Vec::new();
        };
        let mut budget = max_bytes;
        let wanted = self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        wanted
            .take_while(|cached| cached.log_id.index < end)
            .enumerate()
            .take_while(|(nth, cached)| {
                let fits = cached.len as u64 <= budget || *nth == 0;
                budget = budget.saturating_sub(cached.len as u64);
                fits
            })
            .map(|(_, cached)| StoredEntry { log_id: cached.log_id, parts: cached.parts.clone() })
            .collect()
    }

    /// The `len` bytes at `position` of a segment, if they are cached in one piece.
    pub(crate) fn slice(&self, segment: u64, position: u64, len: usize) -> Option<Bytes> {
        let after =
            self.entries.partition_point(|cached| (cached.segment, cached.payload_at) <= (segment, position));
        let cached = self.entries.get(after.checked_sub(1)?)?;
        if cached.segment != segment {
            return None;
        }
        let mut skip = usize::try_from(position - cached.payload_at).ok()?;
        for part in &cached.parts {
            if skip < part.len() {
                return (skip + len <= part.len()).then(|| part.slice(skip..skip + len));
            }
            skip -= part.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, parts: &[&'static [u8]]) -> StoredEntry {
        let log_id = LogId { term: 1, node_id: 1, index };
        StoredEntry { log_id, parts: parts.iter().map(|part| Bytes::from_static(part)).collect() }
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let mut cache = EntryCache::new(6);
        for index in 1..=4 {
            cache.push(1, index * 100, entry(index, &[b"ab"]));
        }
        let indexes = |entries: Vec<StoredEntry>| entries.iter().map(|e| e.log_id.index).collect::<Vec<_>>();
        assert!(cache.entries(1, 9, 100).is_empty());
        assert_eq!(indexes(cache.entries(2, 9, 100)), [2, 3, 4]);
        assert_eq!(indexes(cache.entries(2, 4, 100)), [2, 3]);
        assert_eq!(indexes(cache.entries(2, 9, 3)), [2], "at least one, then no more than fits");
        cache.truncate(3);
        assert_eq!(indexes(cache.entries(2, 9, 100)), [2]);
        cache.push(1, 900, entry(3, &[b"large than it all"]));
        assert!(cache.entries(3, 9, 100).is_empty());
    }

    #[test]
    fn slices_come_from_the_part_that_holds_them() {
        let mut cache = EntryCache::new(100);
        cache.push(1, 100, entry(1, &[b"meta", b"first", b"second"]));
        cache.push(2, 50, entry(2, &[b"next"]));
        assert_eq!(cache.slice(1, 104, 5).unwrap(), "first");
        assert_eq!(cache.slice(1, 110, 4).unwrap(), "econ");
        assert_eq!(cache.slice(1, 104, 6), None, "spans two parts");
        assert_eq!(cache.slice(1, 99, 1), None);
        assert_eq!(cache.slice(2, 50, 4).unwrap(), "next");
        assert_eq!(cache.slice(3, 50, 4), None);
    }
}
