//! Who waits for which partition. Woken by the journal when a partition advances; no timers here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_state::PartitionId;
use tokio::sync::Notify;

const SHARDS: usize = 16;

/// A fetch that may wait, or a fetch session between fetches.
#[derive(Default)]
pub(crate) struct Waiter {
    /// Which of its partitions (by their places) have advanced. A set, because nobody may come for long.
    advanced: Mutex<HashSet<usize>>,
    wake: Notify,
}

type Shard = Mutex<HashMap<PartitionId, Vec<(Arc<Waiter>, usize)>>>;

/// All waiters, by partition. A partition nobody waits for takes no memory.
pub(crate) struct Waiters {
    shards: Vec<Shard>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

/// What a waiter is registered for; gone when dropped.
pub(crate) struct Registration {
    waiters: Arc<Waiters>,
    partitions: HashMap<usize, PartitionId>,
    waiter: Arc<Waiter>,
}

impl Waiters {
    /// Registers for nothing yet.
    pub(crate) fn registration(self: &Arc<Self>) -> Registration {
        Registration { waiters: Arc::clone(self), partitions: HashMap::new(), waiter: Arc::default() }
    }

    /// A partition has more to read, or will not have any more.
    pub(crate) fn wake(&self, partition: &PartitionId) {
        let Some(shard) = self.shard(partition) else {
            return;
        };
        if let Some(waiting) = shard.lock().get(partition) {
            for (waiter, place) in waiting {
                waiter.wake(&[*place]);
            }
        }
    }

    /// As [`Waiters::wake`], for many.
    pub(crate) fn wake_all(&self, partitions: impl Iterator<Item = PartitionId>) {
        partitions.for_each(|partition| self.wake(&partition));
    }

    fn shard(&self, partition: &PartitionId) -> Option<&Shard> {
        let hash = partition.topic_id.as_u128() as usize ^ partition.partition.unsigned_abs() as usize;
        self.shards.get(hash % SHARDS)
    }

    fn add(&self, partition: PartitionId, waiter: &Arc<Waiter>, place: usize) {
        if let Some(shard) = self.shard(&partition) {
            shard.lock().entry(partition).or_default().push((Arc::clone(waiter), place));
        }
    }

    fn remove(&self, partition: &PartitionId, waiter: &Arc<Waiter>, place: usize) {
        let Some(shard) = self.shard(partition) else {
            return;
        };
        let mut shard = shard.lock();
        if let Some(waiting) = shard.get_mut(partition) {
            waiting.retain(|(other, at)| *at != place || !Arc::ptr_eq(other, waiter));
            if waiting.is_empty() {
                shard.remove(partition);
            }
        }
    }
}

impl Waiter {
    /// These places have advanced.
    pub(crate) fn wake(&self, places: &[usize]) {
        self.advanced.lock().extend(places);
        self.wake.notify_one();
    }

    /// Takes the places of all partitions that have advanced.
    pub(crate) fn take(&self) -> Vec<usize> {
        let mut places: Vec<usize> = std::mem::take(&mut *self.advanced.lock()).into_iter().collect();
        places.sort_unstable();
        places
    }

    /// Waits until one of the partitions advances; answers the places of all that have.
    pub(crate) async fn advanced(&self) -> Vec<usize> {
        loop {
            let places = self.take();
            if !places.is_empty() {
                return places;
            }
            self.wake.notified().await;
        }
    }
}

impl Registration {
    /// Registers for a partition under a place. Register first and read then, or a record that comes
    /// in between is slept through.
    pub(crate) fn set(&mut self, place: usize, partition: PartitionId) {
        let before = self.partitions.insert(place, partition);
        if before == Some(partition) {
            return;
        }
        if let Some(before) = before {
            self.waiters.remove(&before, &self.waiter, place);
        }
        self.waiters.add(partition, &self.waiter, place);
    }

    /// Ends the registration of a place.
    pub(crate) fn unset(&mut self, place: usize) {
        if let Some(partition) = self.partitions.remove(&place) {
            self.waiters.remove(&partition, &self.waiter, place);
        }
    }

    pub(crate) fn waiter(&self) -> Arc<Waiter> {
        Arc::clone(&self.waiter)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        for (place, partition) in &self.partitions {
            self.waiters.remove(partition, &self.waiter, *place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(partition: i32) -> PartitionId {
        PartitionId { topic_id: uuid::Uuid::from_u128(7), partition }
    }

    fn register(waiters: &Arc<Waiters>, places: &[(usize, i32)]) -> Registration {
        let mut registration = waiters.registration();
        places.iter().for_each(|(place, partition)| registration.set(*place, id(*partition)));
        registration
    }

    #[tokio::test]
    async fn only_its_own_partitions_wake_a_waiter() {
        let waiters = Arc::new(Waiters::default());
        let waiting = register(&waiters, &[(0, 1), (1, 2)]);
        let waiter = waiting.waiter();
        waiters.wake(&id(3));
        assert!(futures::poll!(std::pin::pin!(waiter.advanced())).is_pending());
        waiters.wake_all([id(2), id(2), id(1)].into_iter());
        assert_eq!(waiter.advanced().await, vec![0, 1]);
        drop(waiting);
        assert!(waiters.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost() {
        let waiters = Arc::new(Waiters::default());
        let waiting = register(&waiters, &[(5, 1)]);
        waiters.wake(&id(1));
        assert_eq!(waiting.waiter().advanced().await, vec![5]);
    }

    #[test]
    fn a_place_may_change_its_partition_or_go() {
        let waiters = Arc::new(Waiters::default());
        let mut waiting = register(&waiters, &[(0, 1), (1, 1), (0, 2)]);
        waiters.wake(&id(1));
        assert_eq!(waiting.waiter().take(), vec![1]);
        waiting.unset(1);
        waiters.wake_all([id(1), id(2)].into_iter());
        assert_eq!(waiting.waiter().take(), vec![0]);
        waiting.unset(0);
        assert!(waiters.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
