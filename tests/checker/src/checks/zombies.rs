//! `zombie-committed` and `zombie-write`: a client whose transactional id somebody else has taken was
//! told that what it asked for afterwards was done.

use crate::history::{Call, Operation};
use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let late = index.operations.iter().filter(|operation| operation.is_ok() && index.is_fenced(operation));
    late.filter_map(|operation| {
        let name = match &operation.call {
            Call::Send { .. } | Call::SendOffsets { .. } => "zombie-write",
            Call::Commit { transaction } if has_content(index, *transaction) => "zombie-committed",
            _ => return None,
        };
        Some(Anomaly::new(name, describe(operation)))
    })
    .collect()
}

/// Whether the broker knew of the transaction: clients end an empty one without a word to it.
fn has_content(index: &Index<'_>, transaction: u64) -> bool {
    index.transactions.get(&transaction).is_some_and(|transaction| {
        let mut sent = transaction.values.iter().filter_map(|value| index.sent.get(value));
        sent.any(|sent| sent.delivery.is_some())
            || transaction.positions.iter().any(|(operation, _, _)| operation.is_ok())
    })
}

fn describe(operation: &Operation) -> String {
    format!("{} at line {}: {:?}", operation.process, operation.invoked + 1, operation.call)
}
