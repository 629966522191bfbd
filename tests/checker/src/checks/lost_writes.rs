//! `lost-write`: what was acknowledged, or seen once, is not there in the end.

use std::collections::{BTreeMap, HashSet};

use crate::history::Isolation;
use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let promised = promised(index);
    let mut lost = BTreeMap::new();
    for whole in &index.wholes {
        let found: HashSet<u64> = whole.records.iter().map(|record| record.value).collect();
        for ((value, isolation), since) in &promised {
            let Some(sent) = index.sent.get(value) else { continue };
            let expected = sent.partition == whole.partition
                && *isolation == whole.isolation
                && *since < whole.operation.invoked;
            if expected && !found.contains(value) {
                lost.entry(*value).or_insert_with(|| {
                    format!(
                        "{value} to {}, {:?}: not there for {:?}",
                        sent.partition, sent.delivery, isolation
                    )
                });
            }
        }
    }
    lost.into_values().map(|detail| Anomaly::new("lost-write", detail)).collect()
}

/// Which value must be visible to whom, and since when.
fn promised(index: &Index<'_>) -> BTreeMap<(u64, Isolation), u64> {
    let mut promised = BTreeMap::new();
    let mut promise = |value: u64, isolation, since: u64| {
        let earliest = promised.entry((value, isolation)).or_insert(since);
        *earliest = since.min(*earliest);
    };
    for (value, sent) in &index.sent {
        let (Some(_), Some(acked)) = (sent.delivery, sent.operation.completed) else { continue };
        promise(*value, Isolation::Uncommitted, acked);
        let transaction = sent.transaction.and_then(|number| index.transactions.get(&number));
        match transaction {
            None => promise(*value, Isolation::Committed, acked),
            Some(transaction) => {
                if let Some(commit) = transaction.commit.filter(|commit| commit.is_ok())
                    && let Some(committed) = commit.completed
                {
                    promise(*value, Isolation::Committed, acked.max(committed));
                }
            }
        }
    }
    for read in &index.reads {
        let Some(since) = read.operation.completed else { continue };
        promise(read.record.value, Isolation::Uncommitted, since);
        if read.isolation == Isolation::Committed {
            promise(read.record.value, Isolation::Committed, since);
        }
    }
    promised
}
