//! A bounded cache of footer sections.
//!
//! Two generations instead of exact recency: what is used moves to the young one; when that is half
//! of the bound, it becomes the old one and the old one is dropped.

use std::collections::HashMap;
use std::sync::Arc;

use super::extent::BatchExtent;
use crate::names::FileId;

type Key = (FileId, u64);

pub(crate) struct SectionCache {
    young: HashMap<Key, Arc<Vec<BatchExtent>>>,
    old: HashMap<Key, Arc<Vec<BatchExtent>>>,
    young_bytes: usize,
    max_bytes: usize,
}

impl SectionCache {
    pub(crate) fn new(max_bytes: usize) -> SectionCache {
        SectionCache { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, max_bytes }
    }

    pub(crate) fn get(&mut self, file: FileId, position: u64) -> Option<Arc<Vec<BatchExtent>>> {
        if let Some(found) = self.young.get(&(file, position)) {
            return Some(Arc::clone(found));
        }
        let found = self.old.remove(&(file, position))?;
        self.put(file, position, Arc::clone(&found));
        Some(found)
    }

    pub(crate) fn put(&mut self, file: FileId, position: u64, section: Arc<Vec<BatchExtent>>) {
        let bytes = size_of_val(section.as_slice()) + 64;
        if bytes > self.max_bytes / 2 {
            return;
        }
        if self.young_bytes + bytes > self.max_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert((file, position), section);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_bound_holds() {
        let extent = BatchExtent {
            base_offset: 0,
            last_offset: 0,
            leader_epoch: 0,
            max_timestamp_ms: 0,
            position: 0,
            size: 0,
        };
        let mut cache = SectionCache::new(4096);
        let file = FileId::Segment(1);
        for position in 0..1_000 {
            cache.put(file, position, Arc::new(vec![extent; 2]));
            assert!(cache.get(file, 0).is_some(), "used all the time");
        }
        assert!(cache.get(file, 1).is_none());
        assert!(cache.young.len() + cache.old.len() <= 4096 / (2 * size_of::<BatchExtent>() + 64));
        cache.put(file, 5_000, Arc::new(vec![extent; 1_000]));
        assert!(cache.get(file, 5_000).is_none(), "too large to keep");
    }
}
