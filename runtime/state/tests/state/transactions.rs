//! Transactions: Kafka's rules for partitions one by one, and a random run against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_records::control::{EndTransaction, TransactionResult, end_transaction_batch};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};
use tidemill_state::limits::PRODUCER_EXPIRY_MS;
use tidemill_state::*;

use crate::fixtures::{self, Machine, batch, partition, producer_batch};

/// A transactional batch of a producer.
pub fn records(producer_id: i64, producer_epoch: i16, base_sequence: i32, count: i32) -> Bytes {
    let facts = BatchFacts {
        base_timestamp: 1_000,
        producer_id,
        producer_epoch,
        base_sequence,
        is_transactional: true,
        ..BatchFacts::default()
    };
    let mut builder = BatchBuilder::new(facts);
    for i in 0..count {
        builder.push(i, i64::from(i), Some(b"key"), Some(&i.to_be_bytes()), &[]);
    }
    builder.build(Compression::None).unwrap().into_bytes()
}

pub fn write(number: i32, batch: Bytes, transaction: u64, version: u8, now_ms: i64) -> Command {
    let append = fixtures::append(number, vec![batch], now_ms);
    Command::AppendTransactional(AppendTransactional { append, transaction, version })
}

/// What a marker says.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    pub producer: (i64, i16),
    pub coordinator_epoch: i32,
    pub transaction: u64,
    pub version: u8,
    pub commit: bool,
}

pub fn marker(number: i32, marker: Marker, now_ms: i64) -> Command {
    let result = if marker.commit { TransactionResult::Commit } else { TransactionResult::Abort };
    let end = EndTransaction { result, coordinator_epoch: marker.coordinator_epoch };
    let (id, epoch) = marker.producer;
    let batch = end_transaction_batch(id, epoch, end, now_ms).unwrap().into_bytes();
    let append = fixtures::append(number, vec![batch], now_ms);
    let Marker { transaction, version, .. } = marker;
    Command::WriteMarker(WriteMarker { append, transaction, version })
}

const COMMIT: Marker =
    Marker { producer: (5, 0), coordinator_epoch: 1, transaction: 1, version: 1, commit: true };
const ABORT: Marker = Marker { commit: false, ..COMMIT };

fn ends(machine: &Machine) -> (i64, i64) {
    let partition = machine.partition(0);
    (partition.last_stable_offset, partition.high_watermark)
}

fn aborted(machine: &Machine) -> Vec<AbortedTransaction> {
    machine.partition(0).aborted(0, i64::MAX).collect()
}

fn same_after_import(machine: &Machine) {
    let exported = machine.state.export().unwrap();
    let imported = State::import(&exported).unwrap();
    assert!(exported == imported.export().unwrap());
    assert_eq!(imported.partition(&partition(0)).unwrap().last_stable_offset, ends(machine).0);
}

#[test]
fn the_last_stable_offset_is_where_the_oldest_open_transaction_begins() {
    let mut machine = Machine::with_partitions(1);
    machine.append(0, vec![batch(2)], 0);
    assert_eq!(ends(&machine), (2, 2));
    machine.must(write(0, records(5, 0, 0, 3), 1, 1, 0));
    machine.must(write(0, records(6, 0, 0, 1), 1, 1, 0));
    machine.append(0, vec![batch(1)], 0);
    assert_eq!(ends(&machine), (2, 7));
    same_after_import(&machine);
    machine.must(marker(0, COMMIT, 0));
    assert_eq!(ends(&machine), (5, 8));
    machine.must(marker(0, Marker { producer: (6, 0), ..ABORT }, 0));
    assert_eq!(ends(&machine), (9, 9));
    assert_eq!(aborted(&machine), [AbortedTransaction { producer_id: 6, first_offset: 5, last_offset: 8 }]);
    same_after_import(&machine);
}

#[test]
fn sealing_stops_at_the_last_stable_offset_and_forgets_what_the_archive_knows() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 0, 0, 2), 1, 1, 0));
    machine.append(0, vec![batch(1)], 0);
    assert!(matches!(machine.reject(fixtures::archive(0, 0, 0)), Rejection::OffsetOutOfRange { .. }));
    machine.must(marker(0, ABORT, 0));
    machine.must(write(0, records(5, 0, 2, 2), 2, 1, 0));
    machine.must(marker(0, Marker { transaction: 2, ..ABORT }, 0));
    assert_eq!(aborted(&machine).len(), 2);
    machine.must(fixtures::archive(0, 0, 2));
    assert_eq!(aborted(&machine).len(), 2, "the marker is not archived yet");
    machine.must(fixtures::archive(0, 3, 4));
    assert_eq!(aborted(&machine), [AbortedTransaction { producer_id: 5, first_offset: 4, last_offset: 6 }]);
    machine.must(fixtures::trim(0, 7));
    assert_eq!(aborted(&machine), []);
    same_after_import(&machine);
}

#[test]
fn trimming_below_an_open_transaction_takes_the_last_stable_offset_along() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 0, 0, 4), 1, 1, 0));
    machine.append(0, vec![batch(4)], 0);
    machine.must(fixtures::trim(0, 6));
    assert_eq!(ends(&machine), (6, 8));
    machine.append(0, vec![batch(1)], 0);
    assert_eq!(ends(&machine), (6, 9));
    machine.must(marker(0, ABORT, 0));
    assert_eq!(ends(&machine), (10, 10));
}

#[test]
fn a_marker_written_twice_counts_once() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 0, 0, 1), 1, 1, 0));
    machine.must(marker(0, COMMIT, 0));
    let again = machine.must(marker(0, COMMIT, 0));
    assert!(matches!(again.outcome, Outcome::Appended(Appended { duplicate: true, .. })));
    assert!(again.effects.is_empty());
    // Nor does it end the next transaction.
    machine.must(write(0, records(5, 0, 1, 1), 2, 1, 0));
    machine.must(marker(0, ABORT, 0));
    assert_eq!(ends(&machine), (2, 3));
}

#[test]
fn what_comes_after_the_end_opens_nothing() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 0, 0, 1), 1, 1, 0));
    machine.must(marker(0, ABORT, 0));
    let late = machine.reject(write(0, records(5, 0, 1, 1), 1, 1, 0));
    assert!(matches!(late, Rejection::InvalidTransactionState { producer_id: 5, .. }));
    // A retry of what was written is still recognised.
    let retry = machine.must(write(0, records(5, 0, 0, 1), 1, 1, 0));
    assert!(matches!(retry.outcome, Outcome::Appended(Appended { duplicate: true, base_offset: 0, .. })));
    // A partition in which nothing was written is told of the end, too.
    let mut machine = Machine::with_partitions(1);
    machine.must(marker(0, ABORT, 0));
    let late = machine.reject(write(0, records(5, 0, 0, 1), 1, 1, 0));
    assert!(matches!(late, Rejection::InvalidTransactionState { .. }));
    machine.must(write(0, records(5, 0, 0, 1), 2, 1, 0));
}

#[test]
fn zombies_are_fenced() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 3, 0, 1), 1, 1, 0));
    // A marker of an older producer epoch, and one of an older coordinator.
    let old = Marker { producer: (5, 2), ..ABORT };
    assert!(matches!(machine.reject(marker(0, old, 0)), Rejection::InvalidProducerEpoch { current: 3, .. }));
    machine.must(marker(0, Marker { producer: (5, 4), coordinator_epoch: 7, ..ABORT }, 0));
    let deposed = Marker { producer: (5, 4), coordinator_epoch: 6, transaction: 2, ..ABORT };
    let fenced = machine.reject(marker(0, deposed, 0));
    assert_eq!(fenced, Rejection::CoordinatorFenced { epoch: 6, current: 7 });
    // The marker's epoch fences the producer.
    let fenced = machine.reject(write(0, records(5, 3, 1, 1), 2, 1, 0));
    assert!(matches!(fenced, Rejection::InvalidProducerEpoch { epoch: 3, current: 4, .. }));
    let plain = Command::Append(fixtures::append(0, vec![producer_batch(5, 3, 1, 1)], 0));
    assert!(matches!(machine.reject(plain), Rejection::InvalidProducerEpoch { .. }));
    machine.must(write(0, records(5, 4, 0, 1), 2, 1, 0));
}

#[test]
fn version_2_begins_at_sequence_zero_and_ends_with_a_new_epoch() {
    let mut machine = Machine::with_partitions(1);
    let early = machine.reject(write(0, records(5, 0, 3, 1), 1, 2, 0));
    assert_eq!(early, Rejection::OutOfOrderSequence { producer_id: 5, sequence: 3, expected: 0 });
    // Version 1 does not know where a producer is that was forgotten.
    machine.must(write(0, records(6, 0, 3, 1), 1, 1, 0));
    machine.must(write(0, records(5, 0, 0, 2), 1, 2, 0));
    let same_epoch = Marker { version: 2, ..COMMIT };
    assert!(matches!(machine.reject(marker(0, same_epoch, 0)), Rejection::InvalidProducerEpoch { .. }));
    machine.must(marker(0, Marker { producer: (5, 1), ..same_epoch }, 0));
    let continued = machine.reject(write(0, records(5, 1, 2, 1), 2, 2, 0));
    assert_eq!(continued, Rejection::OutOfOrderSequence { producer_id: 5, sequence: 2, expected: 0 });
    machine.must(write(0, records(5, 1, 0, 1), 2, 2, 0));
}

#[test]
fn batches_inside_and_outside_of_transactions_do_not_mix() {
    let mut machine = Machine::with_partitions(1);
    let plain = Command::Append(fixtures::append(0, vec![records(5, 0, 0, 1)], 0));
    assert!(matches!(machine.reject(plain), Rejection::Invalid(_)));
    assert!(matches!(machine.reject(write(0, producer_batch(5, 0, 0, 1), 1, 1, 0)), Rejection::Invalid(_)));
    assert!(matches!(machine.reject(write(0, records(5, 0, 0, 1), 0, 1, 0)), Rejection::Invalid(_)));
    machine.must(write(0, records(5, 0, 0, 1), 1, 1, 0));
    let plain = Command::Append(fixtures::append(0, vec![producer_batch(5, 0, 1, 1)], 0));
    assert!(matches!(machine.reject(plain), Rejection::InvalidTransactionState { .. }));
    let no_marker = fixtures::append(0, vec![records(5, 0, 1, 1)], 0);
    let no_marker = Command::WriteMarker(WriteMarker { append: no_marker, transaction: 1, version: 1 });
    assert!(matches!(machine.reject(no_marker), Rejection::Invalid(_)));
    let two = fixtures::append(0, vec![], 0);
    let two = Command::WriteMarker(WriteMarker { append: two, transaction: 1, version: 1 });
    assert!(matches!(machine.reject(two), Rejection::Invalid(_)));
}

#[test]
fn a_producer_with_an_open_transaction_is_not_forgotten() {
    let mut machine = Machine::with_partitions(1);
    machine.must(write(0, records(5, 0, 0, 1), 1, 1, 0));
    let late = 3 * PRODUCER_EXPIRY_MS;
    machine.append(0, vec![producer_batch(6, 0, 0, 1)], late);
    machine.must(write(0, records(5, 0, 1, 1), 1, 1, late));
    machine.must(marker(0, ABORT, late));
    assert_eq!(aborted(&machine), [AbortedTransaction { producer_id: 5, first_offset: 0, last_offset: 3 }]);
    machine.append(0, vec![producer_batch(7, 0, 0, 1)], 2 * late);
    assert_eq!(machine.partition(0).producers().map(|p| p.producer_id).collect::<Vec<_>>(), [7]);
    same_after_import(&machine);
}

#[test]
fn how_long_producers_are_remembered_can_be_set() {
    let mut machine = Machine::with_partitions(1);
    machine.reject(Command::SetProducerExpiry { expiry_ms: 0 });
    machine.must(Command::SetProducerExpiry { expiry_ms: 1_000 });
    machine.append(0, vec![producer_batch(5, 0, 0, 1)], 0);
    assert!(matches!(machine.append(0, vec![producer_batch(5, 0, 7, 1)], 999), Outcome::Rejected(_)));
    assert!(matches!(machine.append(0, vec![producer_batch(5, 0, 7, 1)], 1_000), Outcome::Appended(_)));
    let imported = State::import(&machine.state.export().unwrap()).unwrap();
    assert_eq!(imported.producer_expiry_ms(), 1_000);
}

/// One transactional producer per id; every record that was ever written, and what became of it.
#[derive(Default)]
struct Model {
    /// Per offset: producer of a transaction and its number, or none.
    log: Vec<Option<(i64, u64)>>,
    open: BTreeMap<i64, (u64, i64)>,
    ended: BTreeMap<i64, u64>,
    aborted: BTreeSet<(i64, u64)>,
}

impl Model {
    fn stable(&self) -> i64 {
        let first = self.open.values().map(|(_, first)| *first).min();
        first.unwrap_or(self.log.len() as i64)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn partitions_behave_like_the_model(
        steps in prop::collection::vec((0i64..3, 0u8..10, 1i32..4), 1..150),
    ) {
        let mut machine = Machine::with_partitions(1);
        let mut model = Model::default();
        let mut sequences: BTreeMap<i64, i32> = BTreeMap::new();
        for (id, kind, count) in steps {
            let number = model.ended.get(&id).copied().unwrap_or(0) + 1;
            match kind {
                0..=4 => {
                    let sequence = sequences.entry(id).or_insert(0);
                    machine.must(write(0, records(id, 0, *sequence, count), number, 1, 0));
                    *sequence += count;
                    model.open.entry(id).or_insert((number, model.log.len() as i64));
                    model.log.extend((0..count).map(|_| Some((id, number))));
                }
                5 => {
                    machine.append(0, vec![batch(count)], 0);
                    model.log.extend((0..count).map(|_| None));
                }
                // Too late: what belongs to a transaction that has ended.
                6 if number > 1 => {
                    machine.reject(write(0, records(id, 0, sequences.get(&id).copied().unwrap_or(0), count), number - 1, 1, 0));
                }
                7..=9 => {
                    let commit = kind != 9;
                    let end = Marker { producer: (id, 0), coordinator_epoch: 1, transaction: number, version: 1, commit };
                    machine.must(marker(0, end, 0));
                    // And once more, as after a crash.
                    machine.must(marker(0, end, 0));
                    model.log.push(None);
                    if model.open.remove(&id).is_some() && !commit {
                        model.aborted.insert((id, number));
                    }
                    model.ended.insert(id, number);
                }
                _ => {}
            }
            prop_assert_eq!(ends(&machine), (model.stable(), model.log.len() as i64));
        }
        // What a committed reader leaves out is what the model says was aborted.
        let spans = aborted(&machine);
        for (offset, written) in (0i64..).zip(&model.log) {
            let Some(written) = written else { continue };
            let left_out = spans.iter().any(|span| {
                span.producer_id == written.0 && (span.first_offset..=span.last_offset).contains(&offset)
            });
            if offset < model.stable() {
                prop_assert_eq!(left_out, model.aborted.contains(written), "offset {}", offset);
            }
        }
        same_after_import(&machine);
    }
}
