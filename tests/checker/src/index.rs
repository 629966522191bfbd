//! A history seen from the questions that the checks ask.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::history::{Answer, Call, Delivery, Isolation, Operation, Outcome, Partition, Positions, Record};

/// A record that somebody sent.
pub struct Sent<'a> {
    /// The send.
    pub operation: &'a Operation,
    /// The transaction it is in.
    pub transaction: Option<u64>,
    /// Where it was sent to.
    pub partition: &'a Partition,
    /// The record of which it is the copy.
    pub copy_of: Option<u64>,
    /// What the producer was told, if it was acknowledged.
    pub delivery: Option<Delivery>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its client was told so, or a committed reader saw a record of it that could be committed.
    Committed,
    /// Nobody asked to commit it, or whoever did was told no, or had been fenced before.
    Aborted,
    /// Either.
    Unknown,
}

/// A transaction.
pub struct Transaction<'a> {
    /// What was sent in it.
    pub values: Vec<u64>,
    /// The request to commit it.
    pub commit: Option<&'a Operation>,
    /// Positions of groups that it was to commit.
    pub positions: Vec<(&'a Operation, &'a str, &'a Positions)>,
    /// What became of it.
    pub fate: Fate,
}

/// A record that somebody read.
pub struct Read<'a> {
    /// The poll or the reading of everything.
    pub operation: &'a Operation,
    /// Under which isolation level.
    pub isolation: Isolation,
    /// In which partition.
    pub partition: &'a Partition,
    /// The record.
    pub record: Record,
}

/// A partition that was read whole.
pub struct Whole<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Which partition.
    pub partition: &'a Partition,
    /// Under which isolation level.
    pub isolation: Isolation,
    /// Whether it was sealed before.
    pub archived: bool,
    /// What was there.
    pub records: &'a [Record],
}

/// Views of a history.
pub struct Index<'a> {
    /// All operations, by the moment of their invocation.
    pub operations: &'a [Operation],
    /// What was sent, by value.
    pub sent: BTreeMap<u64, Sent<'a>>,
    /// Transactions by number.
    pub transactions: BTreeMap<u64, Transaction<'a>>,
    /// What was read, in no order.
    pub reads: Vec<Read<'a>>,
    /// What was read whole.
    pub wholes: Vec<Whole<'a>>,
    /// What is known to be where, from acknowledgements and readers.
    pub log: HashMap<&'a Partition, BTreeMap<i64, u64>>,
    /// Since when a client's transactional id has been somebody else's.
    pub fenced: HashMap<&'a str, u64>,
}

impl<'a> Index<'a> {
    /// Goes over a history once for each view.
    pub fn new(operations: &'a [Operation]) -> Self {
        let reads: Vec<_> = operations.iter().flat_map(reads_of).collect();
        let mut index = Self {
            operations,
            sent: operations.iter().filter_map(sent_by).collect(),
            transactions: BTreeMap::new(),
            wholes: operations.iter().filter_map(whole_of).collect(),
            log: HashMap::new(),
            fenced: fenced(operations),
            reads,
        };
        index.collect_transactions();
        index.decide_fates();
        index.collect_log();
        index
    }

    /// Whether a reader of this isolation level that passes by a known record must see it.
    pub fn is_visible(&self, value: u64, isolation: Isolation) -> bool {
        let Some(sent) = self.sent.get(&value) else { return false };
        isolation == Isolation::Uncommitted
            || sent.transaction.is_none_or(|transaction| self.fate(transaction) == Fate::Committed)
    }

    /// What became of a transaction.
    pub fn fate(&self, transaction: u64) -> Fate {
        self.transactions.get(&transaction).map_or(Fate::Unknown, |transaction| transaction.fate)
    }

    /// The moment from which on nobody wrote any more.
    pub fn settled(&self) -> Option<u64> {
        self.wholes.iter().map(|whole| whole.operation.invoked).min()
    }

    fn collect_transactions(&mut self) {
        let blank =
            || Transaction { values: Vec::new(), commit: None, positions: Vec::new(), fate: Fate::Unknown };
        for operation in self.operations {
            match &operation.call {
                Call::Send { transaction: Some(number), value, .. } => {
                    self.transactions.entry(*number).or_insert_with(blank).values.push(*value);
                }
                Call::SendOffsets { transaction, group, positions } => {
                    let transaction = self.transactions.entry(*transaction).or_insert_with(blank);
                    transaction.positions.push((operation, group, positions));
                }
                Call::Commit { transaction } => {
                    self.transactions.entry(*transaction).or_insert_with(blank).commit = Some(operation);
                }
                _ => {}
            }
        }
    }

    fn decide_fates(&mut self) {
        let seen: HashSet<u64> = self
            .reads
            .iter()
            .filter(|read| read.isolation == Isolation::Committed)
            .filter_map(|read| self.sent.get(&read.record.value)?.transaction)
            .collect();
        for (number, transaction) in &mut self.transactions {
            transaction.fate = match transaction.commit {
                None => Fate::Aborted,
                Some(commit) if commit.is_ok() => Fate::Committed,
                Some(commit) if commit.failed() => Fate::Aborted,
                Some(commit) if is_fenced(&self.fenced, commit) => Fate::Aborted,
                Some(_) if seen.contains(number) => Fate::Committed,
                Some(_) => Fate::Unknown,
            };
        }
    }

    fn collect_log(&mut self) {
        for (value, sent) in &self.sent {
            if let Some(Delivery { offset: Some(offset) }) = sent.delivery {
                self.log.entry(sent.partition).or_default().insert(offset, *value);
            }
        }
        for read in &self.reads {
            self.log.entry(read.partition).or_default().insert(read.record.offset, read.record.value);
        }
    }

    /// Whether an operation was asked for when the client's transactional id was somebody else's.
    pub fn is_fenced(&self, operation: &Operation) -> bool {
        is_fenced(&self.fenced, operation)
    }
}

fn is_fenced(fenced: &HashMap<&str, u64>, operation: &Operation) -> bool {
    fenced.get(operation.process.as_str()).is_some_and(|since| *since < operation.invoked)
}

fn sent_by(operation: &Operation) -> Option<(u64, Sent<'_>)> {
    let Call::Send { transaction, partition, value, copy_of } = &operation.call else { return None };
    let delivery = match &operation.outcome {
        Outcome::Ok(Answer::Delivered(delivery)) => Some(*delivery),
        _ => None,
    };
    Some((*value, Sent { operation, transaction: *transaction, partition, copy_of: *copy_of, delivery }))
}

fn reads_of(operation: &Operation) -> Vec<Read<'_>> {
    let (Call::Poll { isolation } | Call::ReadAll { isolation, .. }) = operation.call else {
        return Vec::new();
    };
    let Some(Answer::Records(records)) = operation.answer() else { return Vec::new() };
    let partitions = records.iter().flat_map(|(partition, records)| {
        records.iter().map(move |record| Read { operation, isolation, partition, record: *record })
    });
    partitions.collect()
}

fn whole_of(operation: &Operation) -> Option<Whole<'_>> {
    let Call::ReadAll { partition, isolation, archived } = &operation.call else { return None };
    let Some(Answer::Records(found)) = operation.answer() else { return None };
    let records = found.iter().find(|(found, _)| found == partition).map_or(&[][..], |(_, records)| records);
    Some(Whole { operation, partition, isolation: *isolation, archived: *archived, records })
}

/// A client is fenced once somebody who asked for its id later has it.
fn fenced(operations: &[Operation]) -> HashMap<&str, u64> {
    let mut holders: HashMap<&str, Vec<&Operation>> = HashMap::new();
    for operation in operations {
        if let Call::Init { transactional_id } = &operation.call
            && operation.is_ok()
        {
            holders.entry(transactional_id).or_default().push(operation);
        }
    }
    let mut fenced = HashMap::new();
    for inits in holders.values() {
        for init in inits {
            let later = inits
                .iter()
                .filter(|later| later.process != init.process && init.ended_before(later.invoked));
            if let Some(since) = later.filter_map(|later| later.completed).min() {
                fenced.insert(init.process.as_str(), since);
            }
        }
    }
    fenced
}
