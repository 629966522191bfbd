//! The sessions there are, by id: bounded, with Kafka's rules for who makes room. No clock.
//!
//! While there is no free slot, a session that nobody used for [`EVICTABLE_AFTER_MS`] makes room; else
//! the smallest that is older than that, if the new one has more partitions. The partitions of all
//! sessions together are bounded, too: they are what takes memory.

use std::collections::HashMap;
use std::sync::Arc;

/// Kafka's `min.incremental.fetch.session.eviction.ms`, which is not a setting there either.
pub(crate) const EVICTABLE_AFTER_MS: i64 = 120_000;
/// Partitions of all sessions together. One takes some 400 bytes.
const MAX_PARTITIONS: usize = 400_000;

struct Cached<S> {
    session: Arc<S>,
    partitions: usize,
    created_ms: i64,
    used_ms: i64,
}

/// Sessions by id.
pub(crate) struct SessionCache<S> {
    slots: usize,
    sessions: HashMap<i32, Cached<S>>,
    partitions: usize,
    evictions: u64,
}

impl<S> SessionCache<S> {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, sessions: HashMap::new(), partitions: 0, evictions: 0 }
    }

    pub(crate) fn get(&self, id: i32) -> Option<Arc<S>> {
        self.sessions.get(&id).map(|cached| Arc::clone(&cached.session))
    }

    /// Sessions, their partitions, and how many were evicted so far.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        (self.sessions.len(), self.partitions, self.evictions)
    }

    /// Whether a session of this size would find room.
    pub(crate) fn has_room(&self, now_ms: i64, partitions: usize) -> bool {
        let fits = self.partitions.saturating_add(partitions) <= MAX_PARTITIONS;
        fits && (self.sessions.len() < self.slots || self.victim(now_ms, partitions).is_some())
    }

    /// Keeps a session; none if there is no room. `random` proposes ids.
    pub(crate) fn insert(
        &mut self,
        now_ms: i64,
        session: Arc<S>,
        partitions: usize,
        random: impl FnMut() -> i32,
    ) -> Option<i32> {
        if !self.has_room(now_ms, partitions) {
            return None;
        }
        if self.sessions.len() >= self.slots {
            let victim = self.victim(now_ms, partitions)?;
            self.remove(victim);
            self.evictions += 1;
        }
        let id = std::iter::repeat_with(random).find(|id| *id > 0 && !self.sessions.contains_key(id))?;
        self.sessions.insert(id, Cached { session, partitions, created_ms: now_ms, used_ms: now_ms });
        self.partitions += partitions;
        Some(id)
    }

    /// A session was used and has so many partitions now. False if that is too many: it is gone then.
    pub(crate) fn used(&mut self, id: i32, now_ms: i64, partitions: usize) -> bool {
        let Some(cached) = self.sessions.get_mut(&id) else {
            return true;
        };
        self.partitions = self.partitions.saturating_sub(cached.partitions).saturating_add(partitions);
        (cached.partitions, cached.used_ms) = (partitions, now_ms);
        let fits = self.partitions <= MAX_PARTITIONS;
        if !fits {
            self.remove(id);
        }
        fits
    }

    pub(crate) fn remove(&mut self, id: i32) {
        if let Some(gone) = self.sessions.remove(&id) {
            self.partitions = self.partitions.saturating_sub(gone.partitions);
        }
    }

    /// Who makes room for a session of this size.
    fn victim(&self, now_ms: i64, partitions: usize) -> Option<i32> {
        let old = |since_ms: i64| now_ms.saturating_sub(since_ms) > EVICTABLE_AFTER_MS;
        let (id, unused) = self.sessions.iter().min_by_key(|(_, cached)| cached.used_ms)?;
        if old(unused.used_ms) {
            return Some(*id);
        }
        let evictable = self.sessions.iter().filter(|(_, cached)| old(cached.created_ms));
        let (id, smallest) = evictable.min_by_key(|(id, cached)| (cached.partitions, **id))?;
        (smallest.partitions < partitions).then_some(*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(cache: &mut SessionCache<()>, now_ms: i64, partitions: usize, id: i32) -> bool {
        cache.insert(now_ms, Arc::default(), partitions, || id) == Some(id)
    }

    #[test]
    fn a_full_cache_keeps_the_young_and_the_used() {
        let mut cache = SessionCache::new(2);
        assert!(insert(&mut cache, 0, 5, 1) && insert(&mut cache, 0, 9, 2));
        assert!(!insert(&mut cache, EVICTABLE_AFTER_MS, 50, 3), "the others are too young to go");
        let later = EVICTABLE_AFTER_MS + 1;
        assert!(cache.used(1, later, 5) && cache.used(2, later, 9));
        assert!(!insert(&mut cache, later, 5, 3), "no larger than the smallest");
        assert!(insert(&mut cache, later, 6, 3), "larger than the smallest");
        assert!(cache.get(1).is_none() && cache.get(2).is_some());
        assert!(cache.used(3, later + 1, 6));
        assert!(insert(&mut cache, 2 * later, 1, 4), "nobody used the second");
        assert!(cache.get(2).is_none() && cache.get(3).is_some());
        assert_eq!(cache.counts(), (2, 7, 2));
    }

    #[test]
    fn partitions_of_all_sessions_are_bounded() {
        let mut cache = SessionCache::new(10);
        assert!(!insert(&mut cache, 0, MAX_PARTITIONS + 1, 1));
        assert!(insert(&mut cache, 0, MAX_PARTITIONS - 1, 1));
        assert!(insert(&mut cache, 0, 1, 2));
        assert!(!insert(&mut cache, 0, 1, 3));
        assert!(!cache.used(2, 0, 2), "one that grows beyond the bound goes");
        assert_eq!(cache.counts(), (1, MAX_PARTITIONS - 1, 0));
        cache.remove(1);
        assert_eq!(cache.counts(), (0, 0, 0));
    }

    #[test]
    fn without_slots_there_are_no_sessions() {
        assert!(!insert(&mut SessionCache::new(0), 0, 1, 1));
    }
}
