//! A map that forgets what was not used for longest once its weight exceeds a bound.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

struct Entry<V> {
    value: V,
    weight: u64,
    used: u64,
}

/// See the module. Not synchronised.
pub(crate) struct WeightedLru<K, V> {
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
    weight: u64,
    capacity: u64,
    clock: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> WeightedLru<K, V> {
    /// An empty map that holds up to `capacity`.
    pub(crate) fn new(capacity: u64) -> Self {
        WeightedLru { entries: HashMap::new(), by_use: BTreeMap::new(), weight: 0, capacity, clock: 0 }
    }

    /// Looks a key up and counts that as a use.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.by_use.remove(&entry.used);
        self.clock += 1;
        entry.used = self.clock;
        self.by_use.insert(self.clock, key.clone());
        Some(entry.value.clone())
    }

    /// Adds or replaces an entry. Returns the keys that had to go, perhaps this very one.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: u64) -> Vec<K> {
        self.remove(&key);
        self.clock += 1;
        self.by_use.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, weight, used: self.clock });
        self.weight += weight;
        let mut evicted = Vec::new();
        while self.weight > self.capacity {
            let Some(oldest) = self.by_use.first_key_value().map(|(_, key)| key.clone()) else {
                break;
            };
            self.remove(&oldest);
            evicted.push(oldest);
        }
        evicted
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        self.by_use.remove(&entry.used);
        self.weight -= entry.weight;
        true
    }

    /// Total weight.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_least_recently_used_and_what_never_fits() {
        let mut lru = WeightedLru::new(10);
        assert!(lru.insert("a", 1, 4).is_empty());
        assert!(lru.insert("b", 2, 4).is_empty());
        assert_eq!(lru.get(&"a"), Some(1));
        assert_eq!(lru.insert("c", 3, 4), vec!["b"]);
        assert_eq!(lru.insert("d", 4, 11), vec!["a", "c", "d"]);
        assert_eq!(lru.weight(), 0);
        lru.insert("e", 5, 3);
        lru.insert("e", 6, 2);
        assert_eq!((lru.weight(), lru.get(&"e"), lru.remove(&"x")), (2, Some(6), false));
    }
}
