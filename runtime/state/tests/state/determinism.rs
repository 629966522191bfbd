//! Apply is a pure function of the log: replayed, resumed from a snapshot or from a checkpoint, it
//! gives the same state, and a rejected command leaves no trace.

use std::path::Path;
use std::sync::Arc;

use crate::fixtures::{self, Machine, Workload};
use proptest::prelude::*;
use tidemill_disk::SimDisk;
use tidemill_state::*;

/// The log that a workload makes, and the state at its end.
fn run(seed: u64, len: usize) -> (Vec<(ApplyContext, Command)>, Vec<Applied>, State) {
    let mut machine = Machine::with_partitions(0);
    let mut workload = Workload::new(seed);
    let mut log = Vec::new();
    let mut results = Vec::new();
    for i in 0..len {
        let command = if i < 2 { fixtures::open(i as i32) } else { workload.next(&machine.state) };
        machine.term = 1 + (i / 40) as u64;
        let applied = machine.applied(&command);
        log.push((ApplyContext { log_index: machine.index, term: machine.term }, command));
        results.push(applied);
    }
    (log, results, machine.state)
}

fn replay(state: &mut State, log: &[(ApplyContext, Command)]) -> Vec<Applied> {
    log.iter().map(|(context, command)| state.apply(context, command)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_log_gives_the_same_state(seed: u64, len in 2usize..400) {
        let (log, results, state) = run(seed, len);
        let mut again = State::new();
        prop_assert_eq!(&replay(&mut again, &log), &results);
        prop_assert!(state.export().unwrap() == again.export().unwrap());
    }

    #[test]
    fn a_rejected_command_leaves_no_trace(seed: u64, len in 2usize..150) {
        let (log, _, _) = run(seed, len);
        let mut state = State::new();
        for (context, command) in &log {
            let before = (state.export().unwrap(), state.changed_rows());
            let applied = state.apply(context, command);
            if let Outcome::Rejected(_) = applied.outcome {
                prop_assert!(applied.effects.is_empty());
                prop_assert!(before == (state.export().unwrap(), state.changed_rows()));
            }
        }
    }

    #[test]
    fn apply_goes_on_from_a_snapshot(seed: u64, len in 2usize..300, at in 0usize..300) {
        let (log, results, state) = run(seed, len);
        let at = at.min(len);
        let mut first = State::new();
        replay(&mut first, &log[..at]);
        let mut resumed = State::import(&first.export().unwrap()).unwrap();
        prop_assert_eq!(&replay(&mut resumed, &log[at..]), &results[at..]);
        prop_assert!(state.export().unwrap() == resumed.export().unwrap());
    }

    #[test]
    fn apply_goes_on_from_any_checkpoint(seed: u64, len in 2usize..200, every in 1usize..40) {
        let (log, results, state) = run(seed, len);
        let disk = Arc::new(SimDisk::new(seed));
        let store = CheckpointStore::open(disk, Path::new("checkpoint.redb")).unwrap();
        prop_assert!(store.load().unwrap().is_none());
        let mut running = State::new();
        for (i, (context, command)) in log.iter().enumerate() {
            running.apply(context, command);
            if i % every != 0 {
                continue;
            }
            let position = LogPosition { term: context.term, node_id: 1, index: context.log_index };
            store.write(&running.take_changes().unwrap(), position, b"meta").unwrap();
            prop_assert!(!running.has_changes());
            if i % (7 * every) == 0 {
                let checkpoint = store.load().unwrap().unwrap();
                prop_assert_eq!(checkpoint.position, position);
                prop_assert_eq!(&checkpoint.raft_meta[..], b"meta");
                let mut resumed = checkpoint.state;
                prop_assert!(!resumed.has_changes());
                prop_assert!(running.export().unwrap() == resumed.export().unwrap());
                prop_assert_eq!(&replay(&mut resumed, &log[i + 1..]), &results[i + 1..]);
                prop_assert!(state.export().unwrap() == resumed.export().unwrap());
            }
        }
    }
}

/// The workload is only worth something if it gets far: most kinds succeed and fail in it.
#[test]
fn the_workload_reaches_every_kind_of_outcome() {
    let mut accepted = std::collections::BTreeSet::new();
    let mut rejected = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (log, results, _) = run(seed, 400);
        for ((_, command), applied) in log.iter().zip(&results) {
            let debug = format!("{command:?}");
            let kind = debug.split(['(', '{', ' ']).take(2).collect::<Vec<_>>().join(" ");
            match &applied.outcome {
                Outcome::Rejected(rejection) => {
                    let debug = format!("{rejection:?}");
                    rejected.insert(debug.split(['(', '{', ' ']).next().unwrap().to_owned())
                }
                _ => accepted.insert(kind),
            };
        }
    }
    for kind in [
        "Append Append",
        "ClosePartition PartitionId",
        "Trim Trim",
        "CommitArchive CommitArchive",
        "CommitOffsets CommitOffsets",
        "PutGroup PutGroup",
        "DeleteGroup ",
        "DeleteOffsets ",
        "OpenFunction OpenFunction",
        "CloseFunction FunctionInstance",
        "FunctionProgress FunctionProgress",
        "AcceptOutbox AcceptOutbox",
        "OutboxDelivered OutboxDelivered",
        "AppendTransactional AppendTransactional",
        "WriteMarker WriteMarker",
        "PutTransaction PutTransaction",
        "DeleteTransaction DeleteTransaction",
        "CommitTransactionalOffsets CommitTransactionalOffsets",
        "EndGroupTransaction EndGroupTransaction",
        "Metadata ClaimCluster",
        "Metadata CreateTopic",
        "Metadata DeleteTopic",
        "Metadata AddPartitions",
        "Metadata AlterTopicConfigs",
        "Metadata AllocateProducerIds",
        "Metadata PlaceGroup",
        "Metadata DeployFunction",
        "Metadata SetFunctionStatus",
        "Metadata DeleteFunction",
    ] {
        assert!(accepted.contains(kind), "never accepted: {kind}; {accepted:?}");
    }
    for kind in [
        "UnknownPartition",
        "OutOfOrderSequence",
        "InvalidProducerEpoch",
        "InvalidTransactionState",
        "CoordinatorFenced",
        "Conflict",
        "OffsetOutOfRange",
        "UnknownFunction",
        "AlreadyExists",
        "NotFound",
        "Invalid",
    ] {
        assert!(rejected.contains(kind), "never rejected as {kind}: {rejected:?}");
    }
}
