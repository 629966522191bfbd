//! Transactional ids and offsets committed in transactions; and the persisted form of all of it.

use tidemill_state::limits::MAX_GROUP_PRODUCERS;
use tidemill_state::*;

use crate::fixtures::{self, Machine, partition};
use crate::golden::version_1_stays;
use crate::transactions::{Marker, marker, records, write};

pub fn state(status: TransactionStatus) -> TransactionState {
    TransactionState {
        revision: 0,
        status,
        producer_id: 5,
        producer_epoch: 2,
        last_producer_epoch: 1,
        previous_producer_id: -1,
        next_producer_id: -1,
        timeout_ms: 60_000,
        version: 2,
        number: 3,
        coordinator_epoch: 0,
        partitions: vec![],
        groups: vec![],
        started_at_ms: 7,
        updated_at_ms: 8,
    }
}

fn put(id: &str, expected_revision: u64, transaction: TransactionState) -> Command {
    Command::PutTransaction(PutTransaction { transactional_id: id.into(), expected_revision, transaction })
}

fn commit(producer: (i64, i16), transaction: u64, offsets: &[(i32, i64)], now_ms: i64) -> Command {
    let offsets = offsets.iter().map(|(number, offset)| GroupOffset {
        partition: partition(*number),
        offset: *offset,
        leader_epoch: 1,
        metadata: "müde".into(),
    });
    Command::CommitTransactionalOffsets(CommitTransactionalOffsets {
        group_id: "readers".into(),
        producer_id: producer.0,
        producer_epoch: producer.1,
        transaction,
        offsets: offsets.collect(),
        now_ms,
    })
}

fn end(producer: (i64, i16), transaction: u64, commit: bool) -> Command {
    Command::EndGroupTransaction(EndGroupTransaction {
        group_id: "readers".into(),
        producer_id: producer.0,
        producer_epoch: producer.1,
        transaction,
        commit,
        now_ms: 9,
    })
}

fn offset(machine: &Machine, number: i32) -> Option<i64> {
    machine.state.group("readers")?.offset(&partition(number)).map(|committed| committed.offset)
}

fn is_pending(machine: &Machine, number: i32) -> bool {
    machine.state.group("readers").is_some_and(|group| group.has_pending_offset(&partition(number)))
}

#[test]
fn a_row_is_replaced_only_by_whoever_saw_it() {
    let mut machine = Machine { term: 4, ..Machine::default() };
    machine.must(put("a", 0, state(TransactionStatus::Empty)));
    let row = machine.state.transaction("a").unwrap();
    assert_eq!((row.revision, row.coordinator_epoch), (1, 4));
    for revision in [0, 2] {
        let conflict = machine.reject(put("a", revision, state(TransactionStatus::Ongoing)));
        assert!(matches!(conflict, Rejection::Conflict { found: 1, .. }));
    }
    machine.must(put("a", 1, state(TransactionStatus::Ongoing)));
    assert!(matches!(
        machine.reject(put("b", 1, state(TransactionStatus::Empty))),
        Rejection::Conflict { .. }
    ));
}

#[test]
fn only_kafkas_transitions_are_made() {
    use TransactionStatus::*;
    let allowed = [
        (Empty, Empty),
        (Empty, Ongoing),
        (Empty, PrepareAbort),
        (Ongoing, Ongoing),
        (Ongoing, PrepareCommit),
        (Ongoing, PrepareAbort),
        (PrepareCommit, CompleteCommit),
        (PrepareAbort, CompleteAbort),
        (CompleteCommit, Empty),
        (CompleteCommit, Ongoing),
        (CompleteCommit, PrepareAbort),
        (CompleteAbort, Empty),
        (CompleteAbort, Ongoing),
        (CompleteAbort, PrepareAbort),
    ];
    let all = [Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort];
    for (from, to) in all.into_iter().flat_map(|from| all.map(|to| (from, to))) {
        let mut machine = Machine::default();
        machine.must(put("a", 0, state(from)));
        let applied = machine.applied(&put("a", 1, state(to)));
        assert_eq!(applied.outcome == Outcome::Done, allowed.contains(&(from, to)), "{from:?} to {to:?}");
    }
}

#[test]
fn rows_are_bounded_and_forgotten() {
    let mut machine = Machine::default();
    let refuse = |machine: &mut Machine, id: &str, state| {
        assert!(matches!(machine.reject(put(id, 0, state)), Rejection::Invalid(_)));
    };
    refuse(&mut machine, "", state(TransactionStatus::Empty));
    refuse(&mut machine, &"x".repeat(limits::MAX_STRING_BYTES + 1), state(TransactionStatus::Empty));
    let mut unsorted = state(TransactionStatus::Ongoing);
    unsorted.partitions = vec![partition(1), partition(0)];
    refuse(&mut machine, "a", unsorted);
    let mut many = state(TransactionStatus::Ongoing);
    many.groups = (0..=limits::MAX_TRANSACTION_GROUPS).map(|n| format!("{n:06}")).collect();
    refuse(&mut machine, "a", many);
    let delete = |expected_revision| {
        Command::DeleteTransaction(DeleteTransaction { transactional_id: "a".into(), expected_revision })
    };
    assert!(matches!(machine.reject(delete(1)), Rejection::NotFound(_)));
    machine.must(put("a", 0, state(TransactionStatus::PrepareCommit)));
    assert!(matches!(machine.reject(delete(2)), Rejection::Conflict { .. }));
    assert!(matches!(machine.reject(delete(1)), Rejection::Invalid(_)), "it is not over");
    machine.must(put("a", 1, state(TransactionStatus::CompleteCommit)));
    machine.must(delete(2));
    assert!(machine.state.transactions().is_empty());
}

#[test]
fn offsets_wait_for_the_end_of_the_transaction() {
    let mut machine = Machine::with_partitions(0);
    machine.must(commit((5, 0), 1, &[(0, 10), (1, 20)], 1));
    machine.must(commit((5, 0), 1, &[(0, 11)], 2));
    assert_eq!((offset(&machine, 0), is_pending(&machine, 0)), (None, true));
    machine.must(end((5, 0), 1, true));
    assert_eq!((offset(&machine, 0), offset(&machine, 1)), (Some(11), Some(20)));
    assert!(!is_pending(&machine, 0));
    machine.must(commit((5, 0), 2, &[(0, 12)], 3));
    machine.must(end((5, 0), 2, false));
    assert_eq!((offset(&machine, 0), is_pending(&machine, 0)), (Some(11), false));
    // Again, as after a crash, and what comes too late.
    machine.must(end((5, 0), 2, true));
    assert!(matches!(
        machine.reject(commit((5, 0), 2, &[(0, 13)], 4)),
        Rejection::InvalidTransactionState { .. }
    ));
    machine.must(end((5, 3), 3, true));
    assert!(matches!(
        machine.reject(commit((5, 2), 4, &[(0, 13)], 4)),
        Rejection::InvalidProducerEpoch { .. }
    ));
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert!(imported.export().unwrap() == machine.state.export().unwrap());
}

#[test]
fn a_group_with_nothing_left_is_gone_and_one_with_pending_offsets_is_not() {
    let mut machine = Machine::with_partitions(0);
    let empty = machine.state.export().unwrap();
    machine.must(commit((5, 0), 1, &[(0, 10)], 1));
    machine.must(Command::PutGroup(PutGroup { group_id: "readers".into(), snapshot: vec![], now_ms: 1 }));
    assert!(is_pending(&machine, 0));
    machine.must(end((5, 0), 1, false));
    assert!(machine.state.group("readers").is_none());
    machine.must(commit((5, 0), 2, &[(0, 10)], 1));
    machine.must(Command::DeleteGroup { group_id: "readers".into() });
    machine.must(end((5, 0), 2, true));
    assert!(machine.state.export().unwrap() == empty);
}

#[test]
fn producers_of_a_group_are_bounded() {
    let mut machine = Machine::with_partitions(0);
    for id in 0..MAX_GROUP_PRODUCERS as i64 {
        machine.must(commit((id, 0), 1, &[(0, id)], id));
    }
    let one_more = commit((-1 + 2 * MAX_GROUP_PRODUCERS as i64, 0), 1, &[(0, 1)], 1);
    assert!(matches!(machine.reject(one_more.clone()), Rejection::Invalid(_)));
    machine.must(end((7, 0), 1, true));
    machine.must(one_more);
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert!(imported.export().unwrap() == machine.state.export().unwrap());
}

fn every_command() -> Vec<Command> {
    let mut ongoing = state(TransactionStatus::Ongoing);
    ongoing.partitions = vec![partition(0), partition(1)];
    ongoing.groups = vec!["readers".into()];
    let commit_marker =
        Marker { producer: (5, 3), coordinator_epoch: 4, transaction: 3, version: 2, commit: true };
    vec![
        fixtures::open(0),
        Command::SetProducerExpiry { expiry_ms: 1_000 },
        put("payments", 0, state(TransactionStatus::Empty)),
        put("payments", 1, ongoing),
        put("gone", 0, state(TransactionStatus::Empty)),
        Command::DeleteTransaction(DeleteTransaction {
            transactional_id: "gone".into(),
            expected_revision: 1,
        }),
        write(0, records(5, 2, 0, 2), 3, 2, 5),
        marker(0, commit_marker, 6),
        write(0, records(6, 0, 0, 1), 1, 1, 5),
        marker(0, Marker { producer: (6, 0), version: 1, transaction: 1, commit: false, ..commit_marker }, 6),
        write(0, records(7, 0, 0, 1), 9, 1, 7),
        commit((5, 2), 3, &[(0, 10)], 7),
        end((5, 2), 3, true),
        commit((6, 0), 1, &[(1, 4)], 8),
    ]
}

#[test]
fn their_version_1_is_still_read_and_written() {
    version_1_stays("transactions", Machine { term: 4, ..Machine::default() }, every_command());
}
