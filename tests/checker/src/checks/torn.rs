//! `torn-transaction`: of a transaction's records and positions some are there in the end and some
//! are not. While clients are at work a transaction may show in one partition before another, as in
//! Kafka, so this is judged once everything is settled.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::committed_offsets::{fetched, proposals};
use crate::history::{Isolation, Partition};
use crate::index::{Fate, Transaction};
use crate::{Anomaly, Index};

const NAME: &str = "torn-transaction";

/// What committed readers found in the end.
struct End<'a> {
    /// The partitions that were read.
    partitions: HashSet<&'a Partition>,
    /// Offsets by value.
    values: HashMap<u64, (&'a Partition, i64)>,
    /// Where groups stand, and whether exactly this transaction brought them there.
    positions: BTreeMap<(&'a str, &'a Partition), (i64, Option<u64>)>,
}

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for archived in [false, true] {
        let end = End::of(index, archived);
        for (number, transaction) in &index.transactions {
            let detail = end.tears(index, *number, transaction);
            anomalies
                .extend(detail.map(|detail| Anomaly::new(NAME, format!("transaction {number}: {detail}"))));
        }
        let uncopied = end.uncopied(index);
        anomalies.extend(uncopied.into_iter().map(|detail| Anomaly::new(NAME, detail)));
    }
    anomalies.dedup();
    anomalies
}

impl<'a> End<'a> {
    fn of(index: &Index<'a>, archived: bool) -> Self {
        let wholes = index
            .wholes
            .iter()
            .filter(|whole| whole.isolation == Isolation::Committed && whole.archived == archived);
        let (mut partitions, mut values) = (HashSet::new(), HashMap::new());
        for whole in wholes {
            partitions.insert(whole.partition);
            values
                .extend(whole.records.iter().map(|record| (record.value, (whole.partition, record.offset))));
        }
        Self { partitions, values, positions: positions(index) }
    }

    /// What is there of a transaction and what is not, if it is neither all nor nothing.
    fn tears(&self, index: &Index<'_>, number: u64, transaction: &Transaction<'_>) -> Option<String> {
        if transaction.fate == Fate::Aborted {
            return None;
        }
        let acked = transaction.values.iter().filter_map(|value| Some((value, index.sent.get(value)?)));
        let acked = acked.filter(|(_, sent)| sent.delivery.is_some());
        let read = acked.filter(|(_, sent)| self.partitions.contains(sent.partition));
        let (there, missing): (Vec<u64>, Vec<u64>) =
            read.map(|(value, _)| *value).partition(|value| self.values.contains_key(value));
        let moved = |(group, partition): &(&str, &Partition)| {
            transaction.positions.iter().any(|(_, in_group, positions)| {
                in_group == group && positions.iter().any(|(moved, _)| moved == *partition)
            })
        };
        let proven = self
            .positions
            .iter()
            .any(|(place, (_, transaction))| moved(place) && *transaction == Some(number));
        if !missing.is_empty() && (!there.is_empty() || proven) {
            return Some(format!("{there:?} are there, {missing:?} are not (position there: {proven})"));
        }
        (!there.is_empty()).then(|| self.position_missing(transaction)).flatten()
    }

    fn position_missing(&self, transaction: &Transaction<'_>) -> Option<String> {
        for (operation, group, positions) in &transaction.positions {
            for (partition, offset) in positions.iter().filter(|_| operation.is_ok()) {
                let stands = self.positions.get(&(*group, partition)).map(|(offset, _)| *offset);
                if stands.is_some_and(|stands| stands < *offset) {
                    return Some(format!(
                        "its records are there, and {group} stands at {stands:?} of {partition}, not at {offset}"
                    ));
                }
            }
        }
        None
    }

    /// Records below a copying group's position that have no copy.
    fn uncopied(&self, index: &Index<'_>) -> Vec<String> {
        let copied: HashSet<u64> =
            self.values.keys().filter_map(|value| index.sent.get(value)?.copy_of).collect();
        let inputs: HashSet<_> = copied
            .iter()
            .filter_map(|value| self.values.get(value).map(|(partition, _)| *partition))
            .collect();
        let copiers: HashSet<&str> = index
            .transactions
            .values()
            .flat_map(|transaction| transaction.positions.iter().map(|(_, group, _)| *group))
            .collect();
        let mut uncopied = Vec::new();
        for ((group, partition), (stands, _)) in &self.positions {
            if !copiers.contains(group) || !inputs.contains(partition) {
                continue;
            }
            let below = self.values.iter().filter(|(_, (of, offset))| of == partition && offset < stands);
            for (value, (_, offset)) in below.filter(|(value, _)| !copied.contains(*value)) {
                uncopied.push(format!(
                    "{group} stands at {stands} of {partition}; {value} at {offset} has no copy"
                ));
            }
        }
        uncopied
    }
}

/// Where groups stood when everything was settled, and the one transaction that can have brought
/// them there, if there is only one.
fn positions<'a>(index: &Index<'a>) -> BTreeMap<(&'a str, &'a Partition), (i64, Option<u64>)> {
    let proposals = proposals(index);
    let mut found = BTreeMap::new();
    let Some(settled) = index.settled() else { return found };
    for (group, operation, positions) in fetched(index) {
        for (partition, offset) in positions.iter().filter(|_| operation.invoked > settled) {
            let possible: Vec<_> = proposals
                .get(&(group, partition, *offset))
                .into_iter()
                .flatten()
                .filter(|proposal| proposal.fate != Fate::Aborted)
                .collect();
            let only = match possible.as_slice() {
                [only] => only.transaction,
                _ => None,
            };
            found.insert((group, partition), (*offset, only));
        }
    }
    found
}
