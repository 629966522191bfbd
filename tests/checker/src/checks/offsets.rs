//! `inconsistent-offsets`: two records at one offset, or one record not where it was acknowledged.

use std::collections::HashMap;

use crate::history::Delivery;
use crate::{Anomaly, Index};

const NAME: &str = "inconsistent-offsets";

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut read = HashMap::new();
    for one in &index.reads {
        let seen = (one.record.value, one.record.digest);
        let first = *read.entry((one.partition, one.record.offset)).or_insert(seen);
        if first != seen {
            let place = format!("{} at {}", one.partition, one.record.offset);
            anomalies.push(Anomaly::new(NAME, format!("{place}: {first:?} and {seen:?} were read")));
        }
    }
    let mut acked = HashMap::new();
    for (value, sent) in &index.sent {
        let Some(Delivery { offset: Some(offset) }) = sent.delivery else { continue };
        let place = (sent.partition, offset);
        let other = acked.insert(place, *value).or(read.get(&place).map(|(value, _)| *value));
        if let Some(other) = other.filter(|other| other != value) {
            let detail =
                format!("{} at {offset}: {value} was acknowledged, {other} is there", sent.partition);
            anomalies.push(Anomaly::new(NAME, detail));
        }
    }
    anomalies.extend(moved(index));
    anomalies
}

/// Records that were read elsewhere than where they were acknowledged.
fn moved(index: &Index<'_>) -> Vec<Anomaly> {
    let mut moved = HashMap::new();
    for read in &index.reads {
        let sent = index.sent.get(&read.record.value);
        let Some(Delivery { offset: Some(offset) }) = sent.and_then(|sent| sent.delivery) else { continue };
        if offset != read.record.offset {
            moved.insert(read.record.value, (read.partition, offset, read.record.offset));
        }
    }
    let describe = |(value, (partition, acked, found))| {
        Anomaly::new(NAME, format!("{partition}: {value} was acknowledged at {acked}, and is at {found}"))
    };
    moved.into_iter().map(describe).collect()
}
