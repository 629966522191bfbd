//! `phantom-record`: something was read that nobody sent, or not there, or not yet.

use std::collections::BTreeMap;

use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut phantoms = BTreeMap::new();
    for read in &index.reads {
        let why = match index.sent.get(&read.record.value) {
            None => "nobody sent it",
            Some(sent) if sent.partition != read.partition => "it was sent to another partition",
            Some(sent) if sent.operation.failed() => "sending it failed",
            Some(sent) if read.operation.ended_before(sent.operation.invoked) => "it was sent later",
            Some(_) => continue,
        };
        phantoms.insert(read.record.value, (read.partition, read.record.offset, why));
    }
    let describe = |(value, (partition, offset, why))| {
        Anomaly::new("phantom-record", format!("{value} in {partition} at {offset}: {why}"))
    };
    phantoms.into_iter().map(describe).collect()
}
