//! A session's partitions, against a model that looks at all of them every time, as Kafka does.

use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorKind};

fn asked(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition {
        topic: TopicRef::from("t"),
        partition,
        offset,
        max_bytes: 1,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn found(partition: i32, high_watermark: i64, records: bool) -> FetchedPartition {
    let mut found =
        FetchedPartition::failed(TopicRef::from("t"), partition, Error::unknown_partition("t", 0));
    found.error = None;
    found.high_watermark = high_watermark;
    found.last_stable_offset = high_watermark;
    found.log_start_offset = 0;
    if records {
        let builder = tidemill_records::BatchBuilder::new(tidemill_records::BatchFacts::default());
        found.batches.push(builder.build(tidemill_records::Compression::None).unwrap());
    }
    found
}

const NONE: [i32; 0] = [];

fn due(partitions: &Partitions) -> Vec<i32> {
    partitions.due().iter().map(|(_, asked)| asked.partition).collect()
}

/// Looks at what is due; answers which partitions are sent.
fn look(partitions: &mut Partitions, find: impl Fn(&FetchPartition) -> FetchedPartition) -> Vec<i32> {
    let due = partitions.due();
    let sent = due.into_iter().filter_map(|(slot, asked)| {
        partitions.looked_at(slot, &find(&asked), Isolation::ReadUncommitted).then_some(asked.partition)
    });
    sent.collect()
}

#[test]
fn only_news_is_sent_and_only_what_is_due_is_looked_at() {
    let mut partitions = Partitions::default();
    (0..3).for_each(|partition| partitions.want(asked(partition, 0)));
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 0, false)), [0, 1, 2]);
    assert_eq!(due(&partitions), NONE);
    partitions.mark_due(1);
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 0, false)), NONE, "nothing is new");
    partitions.mark_due(1);
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 4, false)), [1], "the watermark is");
    assert_eq!(due(&partitions), [1], "records are left to read");
    partitions.want(asked(1, 4));
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 4, false)), NONE);
    assert_eq!(due(&partitions), NONE);
}

#[test]
fn an_error_is_sent_until_it_is_over_and_then_the_partition() {
    let mut partitions = Partitions::default();
    partitions.want(asked(0, 0));
    let failing = |asked: &FetchPartition| {
        let error = Error::new(ErrorKind::KafkaStorageError, "the disk is gone");
        FetchedPartition { error: Some(error), ..found(asked.partition, 7, false) }
    };
    look(&mut partitions, |asked| found(asked.partition, 0, false));
    partitions.mark_due(0);
    assert_eq!(look(&mut partitions, failing), [0]);
    assert_eq!(look(&mut partitions, failing), [0]);
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 0, false)), [0]);
    assert_eq!(look(&mut partitions, |asked| found(asked.partition, 0, false)), NONE);
}

#[test]
fn partitions_take_turns() {
    let mut partitions = Partitions::default();
    (0..3).for_each(|partition| partitions.want(asked(partition, 0)));
    let mut firsts = Vec::new();
    for _ in 0..6 {
        let order = due(&partitions);
        firsts.push(order[0]);
        // There is room for the records of one.
        look(&mut partitions, |asked| found(asked.partition, 9, asked.partition == order[0]));
    }
    assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_slot_is_used_again() {
    let mut partitions = Partitions::default();
    partitions.want(asked(0, 0));
    partitions.want(asked(1, 0));
    assert_eq!(partitions.forget(&TopicRef::from("t"), 0), Some(0));
    assert_eq!(partitions.forget(&TopicRef::from("t"), 0), None);
    partitions.want(asked(5, 0));
    assert_eq!((due(&partitions), partitions.len(), partitions.entries.len()), (vec![1, 5], 2, 2));
}

#[derive(Clone, Debug)]
enum Step {
    Append(i32),
    Read(i32),
    Forget(i32),
    Want(i32),
    Fetch,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..5, 0..4i32).prop_map(|(kind, partition)| match kind {
        0 => Step::Append(partition),
        1 => Step::Read(partition),
        2 => Step::Forget(partition),
        3 => Step::Want(partition),
        _ => Step::Fetch,
    });
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Looking at due partitions only sends what looking at all of them would.
    #[test]
    fn nothing_new_is_missed(steps in steps()) {
        let (mut few, mut all) = (Partitions::default(), Partitions::default());
        let (mut ends, mut positions) = ([0i64; 4], [0i64; 4]);
        for step in steps {
            match step {
                Step::Append(partition) => {
                    ends[partition as usize] += 1;
                    let key = (TopicRef::from("t"), partition);
                    if let Some(slot) = few.by_key.get(&key).copied() {
                        few.mark_due(slot);
                    }
                }
                Step::Forget(partition) => {
                    few.forget(&TopicRef::from("t"), partition);
                    all.forget(&TopicRef::from("t"), partition);
                }
                Step::Read(partition) | Step::Want(partition) => {
                    if matches!(step, Step::Read(_)) {
                        positions[partition as usize] = ends[partition as usize];
                    }
                    few.want(asked(partition, positions[partition as usize]));
                    all.want(asked(partition, positions[partition as usize]));
                }
                Step::Fetch => {
                    let find = |asked: &FetchPartition| {
                        let end = ends[asked.partition as usize];
                        found(asked.partition, end, asked.offset < end)
                    };
                    all.mark_all_due();
                    prop_assert_eq!(look(&mut few, find), look(&mut all, find));
                }
            }
        }
    }
}
