//! `aborted-read` (G1a) and `uncommitted-read`: a committed reader saw a record of a transaction
//! that was aborted, or whose commit nobody had asked for yet.

use std::collections::BTreeMap;

use crate::history::Isolation;
use crate::index::Fate;
use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut found = BTreeMap::new();
    for read in index.reads.iter().filter(|read| read.isolation == Isolation::Committed) {
        let sent = index.sent.get(&read.record.value);
        let Some(number) = sent.and_then(|sent| sent.transaction) else { continue };
        let Some(transaction) = index.transactions.get(&number) else { continue };
        let early = transaction.commit.is_some_and(|commit| read.operation.ended_before(commit.invoked));
        let name = match transaction.fate {
            Fate::Aborted => "aborted-read",
            Fate::Committed | Fate::Unknown if early => "uncommitted-read",
            Fate::Committed | Fate::Unknown => continue,
        };
        found.entry((read.record.value, name)).or_insert_with(|| {
            let (reader, offset) = (&read.operation.process, read.record.offset);
            let value = read.record.value;
            format!("{reader} read {value} of transaction {number} in {} at {offset}", read.partition)
        });
    }
    found.into_iter().map(|((_, name), detail)| Anomaly::new(name, detail)).collect()
}
