//! Several callers that want the same thing at the same time share one attempt to get it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

type Flights<K, V> = Mutex<HashMap<K, Arc<OnceCell<V>>>>;

/// Attempts under way, by key. If an attempt fails or is dropped, the next caller makes its own.
pub(crate) struct SingleFlight<K: Eq + Hash + Clone, V> {
    flights: Flights<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Nothing under way.
    pub(crate) fn new() -> Self {
        SingleFlight { flights: Mutex::new(HashMap::new()) }
    }

    /// Waits for the attempt that is under way, or makes one.
    pub(crate) async fn get<E>(&self, key: K, attempt: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let seat = Seat { flights: &self.flights, cell: self.board(&key), key };
        seat.cell.get_or_try_init(|| attempt).await.cloned()
    }

    fn board(&self, key: &K) -> Arc<OnceCell<V>> {
        Arc::clone(self.flights.lock().entry(key.clone()).or_default())
    }
}

/// One caller. The last one to leave removes the flight.
struct Seat<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    cell: Arc<OnceCell<V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Counted under the lock: the map's reference and ours.
        if Arc::strong_count(&self.cell) <= 2 {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn callers_share_one_attempt_and_a_failed_one_is_made_again() {
        let flights = SingleFlight::<u8, u32>::new();
        let attempts = AtomicU32::new(0);
        let attempt = async || {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match attempts.fetch_add(1, Ordering::SeqCst) {
                0 => Err("first"),
                n => Ok(n),
            }
        };
        let results = futures::future::join_all((0..5).map(|_| flights.get(1, attempt()))).await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        assert!(flights.flights.lock().is_empty());
    }
}
