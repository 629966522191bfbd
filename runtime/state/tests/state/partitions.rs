//! Offsets, leader epochs, trims and the archive's manifest, one by one and against a model.

use crate::fixtures::{self, Machine, appended, archive, batch, object, partition, trim};
use proptest::prelude::*;
use tidemill_state::*;

fn epochs(machine: &Machine) -> Vec<(i32, i64)> {
    machine.partition(0).leader_epochs.iter().map(|e| (e.epoch, e.start_offset)).collect()
}

#[test]
fn batches_take_the_offsets_of_their_records() {
    let mut machine = Machine::with_partitions(1);
    machine.term = 4;
    let command = Command::Append(fixtures::append(0, vec![batch(3), batch(1)], 0));
    let applied = machine.applied(&command);
    assert_eq!(applied.outcome, Outcome::Appended(appended(0, 4)));
    let effect = |base_offset, last_offset, size: usize, batch| {
        Effect::BatchAppended(BatchAppended {
            partition: partition(0),
            base_offset,
            last_offset,
            leader_epoch: 4,
            max_timestamp_ms: 1_000 + last_offset - base_offset,
            size_bytes: size as u32,
            append: 0,
            batch,
        })
    };
    assert_eq!(applied.effects, [effect(0, 2, batch(3).len(), 0), effect(3, 3, batch(1).len(), 1)]);
    assert_eq!(machine.append(0, vec![batch(2)], 0), Outcome::Appended(appended(4, 6)));
    let unknown = machine.append(1, vec![batch(1)], 0);
    assert_eq!(unknown, Outcome::Rejected(Rejection::UnknownPartition(partition(1))));
}

#[test]
fn leader_epochs_follow_base_and_term() {
    let mut machine = Machine::with_partitions(1);
    machine.append(0, vec![batch(5)], 0);
    machine.term = 3;
    machine.append(0, vec![batch(5)], 0);
    let open = OpenPartition { partition: partition(0), topic: "flights".into(), leader_epoch_base: 10 };
    machine.apply(Command::OpenPartition(open.clone()));
    machine.append(0, vec![batch(5)], 0);
    assert_eq!(epochs(&machine), [(1, 0), (3, 5), (13, 10)]);
    // A lower base never counts.
    machine.apply(Command::OpenPartition(OpenPartition { leader_epoch_base: 2, ..open }));
    assert_eq!(machine.partition(0).leader_epoch(3), 13);

    let end = |epoch| machine.partition(0).end_of_leader_epoch(epoch, 14);
    assert_eq!(end(0), Some((0, 0)));
    assert_eq!(end(1), Some((1, 5)));
    assert_eq!(end(2), Some((1, 5)));
    assert_eq!(end(3), Some((3, 10)));
    assert_eq!(end(13), Some((13, 15)));
    assert_eq!(end(14), Some((14, 15)));
    assert_eq!(end(15), None);

    machine.apply(trim(0, 7));
    assert_eq!(epochs(&machine), [(3, 7), (13, 10)]);
    machine.apply(trim(0, 15));
    assert_eq!(epochs(&machine), [(13, 15)]);
}

#[test]
fn archive_commits_are_compare_and_set() {
    let mut machine = Machine::with_partitions(1);
    machine.append(0, vec![batch(10)], 0);
    let applied = machine.must(archive(0, 0, 3));
    let [Effect::ArchiveCommitted { archived_end: 4, object: committed, .. }] = &applied.effects[..] else {
        panic!("{:?}", applied.effects);
    };
    assert_eq!(**committed, object(0, 3));
    assert_eq!(machine.reject(archive(0, 0, 5)), Rejection::Conflict { expected: 0, found: 4 });
    assert!(matches!(machine.reject(archive(0, 4, 10)), Rejection::OffsetOutOfRange { offset: 10, .. }));
    assert!(matches!(machine.reject(archive(0, 4, 3)), Rejection::Invalid(_)));
    let mut gap = CommitArchive { partition: partition(0), expected_archived_end: 4, object: object(5, 6) };
    assert!(matches!(machine.reject(Command::CommitArchive(gap.clone())), Rejection::Invalid(_)));
    gap.object = ArchivedObject { path: String::new(), ..object(4, 6) };
    assert!(matches!(machine.reject(Command::CommitArchive(gap)), Rejection::Invalid(_)));
    machine.must(archive(0, 4, 9));
    let found = |offset| machine.partition(0).object_at(offset).map(|o| o.base_offset);
    assert_eq!(
        [found(0), found(3), found(4), found(9), found(10)],
        [Some(0), Some(0), Some(4), Some(4), None]
    );
}

#[test]
fn a_trim_tells_which_objects_became_garbage() {
    let mut machine = Machine::with_partitions(1);
    machine.append(0, vec![batch(10)], 0);
    machine.must(archive(0, 0, 3));
    machine.must(archive(0, 4, 6));
    let applied = machine.must(trim(0, 6));
    let garbage = vec![object(0, 3).into()];
    assert_eq!(applied.effects, [Effect::Trimmed { partition: partition(0), log_start_offset: 6, garbage }]);
    assert!(machine.must(trim(0, 2)).effects.is_empty(), "a trim never goes back");
    assert_eq!(machine.partition(0).log_start_offset, 6);
    assert!(matches!(machine.reject(trim(0, 11)), Rejection::OffsetOutOfRange { .. }));
    assert!(matches!(machine.reject(trim(0, -1)), Rejection::OffsetOutOfRange { .. }));
    // Beyond the archived end: what was trimmed need not be archived any more.
    machine.must(trim(0, 8));
    assert_eq!(machine.partition(0).archived_end, 8);
    assert_eq!(machine.reject(archive(0, 7, 8)), Rejection::Conflict { expected: 7, found: 8 });
    machine.must(archive(0, 8, 9));
}

#[test]
fn a_closed_partition_leaves_nothing() {
    let mut machine = Machine::with_partitions(2);
    let empty = Machine::with_partitions(1).state.export().unwrap();
    machine.append(1, vec![fixtures::producer_batch(5, 0, 0, 4)], 0);
    machine.must(archive(1, 0, 2));
    let applied = machine.must(Command::ClosePartition(partition(1)));
    let garbage = vec![object(0, 2).into()];
    assert_eq!(applied.effects, [Effect::PartitionClosed { partition: partition(1), garbage }]);
    assert!(machine.state.export().unwrap() == empty);
    machine.reject(Command::ClosePartition(partition(1)));
}

#[test]
fn opening_is_idempotent_and_checked() {
    let mut machine = Machine::with_partitions(0);
    assert_eq!(machine.must(fixtures::open(0)).effects, [Effect::PartitionOpened(partition(0))]);
    assert!(machine.must(fixtures::open(0)).effects.is_empty());
    let good = OpenPartition { partition: partition(0), topic: "flights".into(), leader_epoch_base: 0 };
    for bad in [
        OpenPartition { topic: String::new(), ..good.clone() },
        OpenPartition { partition: partition(-1), ..good.clone() },
        OpenPartition { leader_epoch_base: -1, ..good.clone() },
    ] {
        machine.reject(Command::OpenPartition(bad));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<i32>),
    Archive { expected: i64, last: i64 },
    Trim(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(1i32..5, 1..4).prop_map(Step::Append),
        (0i64..60, 0i64..60).prop_map(|(expected, last)| Step::Archive { expected, last }),
        (0i64..60).prop_map(Step::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The model is a list of what became of each offset.
    #[test]
    fn partitions_behave_like_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut machine = Machine::with_partitions(1);
        let (mut end, mut start, mut archived_end) = (0i64, 0i64, 0i64);
        let mut objects: Vec<(i64, i64)> = Vec::new();
        for step in steps {
            match step {
                Step::Append(counts) => {
                    let outcome = machine.append(0, counts.iter().map(|n| batch(*n)).collect(), 0);
                    let next = end + counts.iter().map(|n| i64::from(*n)).sum::<i64>();
                    let expected = Appended { log_start_offset: start, ..appended(end, next) };
                    prop_assert_eq!(outcome, Outcome::Appended(expected));
                    end = next;
                }
                Step::Archive { expected, last } => {
                    // Half of the time what the sealer would do.
                    let expected = if last % 2 == 0 { archived_end } else { expected };
                    let valid = expected == archived_end && last >= expected && last < end;
                    let outcome = machine.apply(archive(0, expected, last));
                    prop_assert_eq!(outcome == Outcome::Done, valid);
                    if valid {
                        objects.push((expected, last));
                        archived_end = last + 1;
                    }
                }
                Step::Trim(to) => {
                    let outcome = machine.apply(trim(0, to));
                    prop_assert_eq!(outcome == Outcome::Done, to <= end);
                    if to <= end && to > start {
                        start = to;
                        archived_end = archived_end.max(to);
                        objects.retain(|(_, last)| *last >= to);
                    }
                }
            }
            let partition = machine.partition(0);
            prop_assert_eq!(partition.high_watermark, end);
            prop_assert_eq!(partition.last_stable_offset, end);
            prop_assert_eq!(partition.log_start_offset, start);
            prop_assert_eq!(partition.archived_end, archived_end);
            let live: Vec<_> = partition.objects().values().map(|o| (o.base_offset, o.last_offset)).collect();
            prop_assert_eq!(&live, &objects);
        }
    }
}
