//! `duplicate`: a record, or a copy that was to be made exactly once, is there twice. All producers
//! of the workload are idempotent, and none sends a value again.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Isolation;
use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut places: BTreeMap<u64, BTreeSet<_>> = BTreeMap::new();
    let mut copies: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for read in &index.reads {
        let value = read.record.value;
        places.entry(value).or_default().insert((read.partition, read.record.offset));
        let original = index.sent.get(&value).and_then(|sent| sent.copy_of);
        if let (Some(original), Isolation::Committed) = (original, read.isolation) {
            copies.entry(original).or_default().insert(value);
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    let stored = twice.map(|(value, places)| format!("{value} is at {places:?}"));
    let twice = copies.into_iter().filter(|(_, copies)| copies.len() > 1);
    let copied = twice.map(|(original, copies)| format!("{original} was copied more than once: {copies:?}"));
    stored.chain(copied).map(|detail| Anomaly::new("duplicate", detail)).collect()
}
