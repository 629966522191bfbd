//! `poll-skip` and `nonmonotonic-poll`: between two polls of an assignment no record is left out
//! that the consumer must see, and none comes again. Seeking and being assigned partitions begins
//! anew. Offsets that no record is known at, markers and aborted records may be passed over.
//!
//! `lost-position`: where a consumer has been is not in the log any more; nothing is ever deleted.

use std::collections::HashMap;

use crate::history::{Answer, Call, Isolation, Operation, Partition, Record};
use crate::{Anomaly, Index};

/// Where a consumer goes on, by partition; unknown where a group gave it the partition.
type Next<'a> = HashMap<&'a Partition, i64>;

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut consumers: HashMap<&str, Next<'_>> = HashMap::new();
    for operation in index.operations {
        let next = consumers.entry(&operation.process).or_default();
        match &operation.call {
            Call::Assign { positions } => {
                let known = positions.iter().filter(|(_, offset)| *offset >= 0);
                *next = known.map(|(partition, offset)| (partition, *offset)).collect();
            }
            Call::Seek { partition, offset } => {
                next.insert(partition, *offset);
            }
            Call::Poll { isolation } => anomalies.extend(follow(index, operation, *isolation, next)),
            Call::ReadAll { partition, isolation, .. } => {
                let mut next = HashMap::from([(partition, 0)]);
                anomalies.extend(follow(index, operation, *isolation, &mut next));
            }
            _ => {}
        }
    }
    anomalies
}

/// What a poll left out or repeated.
fn follow<'a>(
    index: &Index<'_>,
    poll: &'a Operation,
    isolation: Isolation,
    next: &mut Next<'a>,
) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    if poll.failed() {
        anomalies.push(Anomaly::new("lost-position", format!("{}: {:?}", poll.process, poll.outcome)));
    }
    let Some(Answer::Records(polled)) = poll.answer() else { return anomalies };
    for (partition, records) in polled {
        for record in records {
            let expected = next.insert(partition, record.offset + 1);
            let wrong = expected.and_then(|expected| step(index, isolation, partition, expected, *record));
            anomalies.extend(wrong.map(|(name, detail)| {
                Anomaly::new(
                    name,
                    format!("{}, {partition}, line {}: {detail}", poll.process, poll.invoked + 1),
                )
            }));
        }
    }
    anomalies
}

fn step(
    index: &Index<'_>,
    isolation: Isolation,
    partition: &Partition,
    expected: i64,
    record: Record,
) -> Option<(&'static str, String)> {
    let offset = record.offset;
    if offset < expected {
        return Some(("nonmonotonic-poll", format!("{offset} came when {expected} was to be next")));
    }
    let passed = index.log.get(partition).map(|log| log.range(expected..offset));
    let must_see = |(_, value): &(&i64, &u64)| index.is_visible(**value, isolation);
    let skipped: Vec<_> = passed.into_iter().flatten().filter(must_see).collect();
    (!skipped.is_empty()).then(|| ("poll-skip", format!("{skipped:?} were left out before {offset}")))
}
