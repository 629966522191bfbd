//! `committed-offset-regression` and `aborted-offset`: a group's stable position never goes back (the
//! workload only ever commits what its members read, in order), and it is none that only an aborted
//! transaction, or nobody yet, committed.

use std::collections::HashMap;

use super::real_time::{Known, Look, regressions};
use crate::history::{Answer, Call, Operation, Partition, Positions};
use crate::index::Fate;
use crate::{Anomaly, Index};

type Place<'a> = (&'a str, &'a Partition);

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut anomalies = gone_back(index);
    anomalies.extend(never_committed(index));
    anomalies
}

/// What every fetch of offsets saw: the group, the operation and the positions.
pub(super) fn fetched<'a>(
    index: &Index<'a>,
) -> impl Iterator<Item = (&'a str, &'a Operation, &'a Positions)> {
    index.operations.iter().filter_map(|operation| match (&operation.call, operation.answer()) {
        (Call::FetchOffsets { group }, Some(Answer::Positions(positions))) => {
            Some((group.as_str(), operation, positions))
        }
        _ => None,
    })
}

fn gone_back(index: &Index<'_>) -> Vec<Anomaly> {
    let mut looks: HashMap<Place<'_>, Vec<Look>> = HashMap::new();
    for (group, operation, positions) in fetched(index) {
        for (partition, value) in positions {
            let look = Look { at: operation.invoked, value: *value };
            looks.entry((group, partition)).or_default().push(look);
        }
    }
    let mut known = known(index);
    let mut anomalies = Vec::new();
    for ((group, partition), looks) in looks {
        for (look, before) in regressions(known.remove(&(group, partition)).unwrap_or_default(), looks) {
            let detail =
                format!("{group}, {partition}: {} at line {}, {before} before", look.value, look.at + 1);
            anomalies.push(Anomaly::new("committed-offset-regression", detail));
        }
    }
    anomalies
}

/// What groups' positions were known to be: seen, or committed for certain.
fn known<'a>(index: &Index<'a>) -> HashMap<Place<'a>, Vec<Known>> {
    let mut known: HashMap<Place<'a>, Vec<Known>> = HashMap::new();
    let mut learn = |group: &'a str, positions: &'a Positions, at: Option<u64>| {
        let Some(at) = at else { return };
        for (partition, value) in positions {
            known.entry((group, partition)).or_default().push(Known { at, value: *value });
        }
    };
    for (group, operation, positions) in fetched(index) {
        learn(group, positions, operation.completed);
    }
    for operation in index.operations.iter().filter(|operation| operation.is_ok()) {
        if let Call::CommitOffsets { group, positions } = &operation.call {
            learn(group, positions, operation.completed);
        }
    }
    for transaction in index.transactions.values() {
        let Some(commit) = transaction.commit.filter(|commit| commit.is_ok()) else { continue };
        for (_, group, positions) in transaction.positions.iter().filter(|(sent, _, _)| sent.is_ok()) {
            learn(group, positions, commit.completed);
        }
    }
    known
}

fn never_committed(index: &Index<'_>) -> Vec<Anomaly> {
    let proposals = proposals(index);
    let mut anomalies = Vec::new();
    for (group, operation, positions) in fetched(index) {
        for (partition, offset) in positions {
            let key = (group, partition, *offset);
            let possible =
                proposals.get(&key).into_iter().flatten().any(|proposal| {
                    !operation.ended_before(proposal.asked) && proposal.fate != Fate::Aborted
                });
            if !possible {
                let detail = format!("{group}, {partition}: {offset} at line {}", operation.invoked + 1);
                anomalies.push(Anomaly::new("aborted-offset", detail));
            }
        }
    }
    anomalies
}

/// A position that somebody wanted to commit.
pub(super) struct Proposal {
    /// When the commit was asked for.
    pub asked: u64,
    /// Whether it was committed.
    pub fate: Fate,
    /// The transaction it was in.
    pub transaction: Option<u64>,
}

/// Who may have brought a group to a position.
pub(super) fn proposals<'a>(index: &Index<'a>) -> HashMap<(&'a str, &'a Partition, i64), Vec<Proposal>> {
    let mut proposals: HashMap<_, Vec<_>> = HashMap::new();
    for operation in index.operations.iter().filter(|operation| !operation.failed()) {
        let Call::CommitOffsets { group, positions } = &operation.call else { continue };
        let fate = if operation.is_ok() { Fate::Committed } else { Fate::Unknown };
        for (partition, offset) in positions {
            let proposal = Proposal { asked: operation.invoked, fate, transaction: None };
            proposals.entry((group.as_str(), partition, *offset)).or_default().push(proposal);
        }
    }
    for (number, transaction) in &index.transactions {
        let Some(commit) = transaction.commit else { continue };
        for (operation, group, positions) in &transaction.positions {
            if operation.failed() {
                continue;
            }
            for (partition, offset) in *positions {
                let proposal =
                    Proposal { asked: commit.invoked, fate: transaction.fate, transaction: Some(*number) };
                proposals.entry((*group, partition, *offset)).or_default().push(proposal);
            }
        }
    }
    proposals
}
