//! Idempotent producers: Kafka's rules one by one, and a random run against a naive model.

use std::collections::HashMap;

use crate::fixtures::{self, Machine, appended, batch, producer_batch};
use proptest::prelude::*;
use tidemill_state::limits::{MAX_PRODUCERS, PRODUCER_EXPIRY_MS, PRODUCER_SWEEP_MS};
use tidemill_state::*;

fn produce(machine: &mut Machine, epoch: i16, sequence: i32, records: i32) -> Outcome {
    machine.append(0, vec![producer_batch(5, epoch, sequence, records)], 0)
}

fn duplicate(base_offset: i64, next_offset: i64) -> Outcome {
    Outcome::Appended(Appended { duplicate: true, ..appended(base_offset, next_offset) })
}

fn out_of_order(sequence: i32, expected: i32) -> Outcome {
    Outcome::Rejected(Rejection::OutOfOrderSequence { producer_id: 5, sequence, expected })
}

#[test]
fn a_retry_gets_the_original_offsets() {
    let mut machine = Machine::with_partitions(1);
    assert_eq!(produce(&mut machine, 0, 0, 3), Outcome::Appended(appended(0, 3)));
    machine.append(0, vec![batch(10)], 0);
    assert_eq!(produce(&mut machine, 0, 3, 2), Outcome::Appended(appended(13, 15)));
    let before = machine.state.export().unwrap();
    assert_eq!(produce(&mut machine, 0, 0, 3), duplicate(0, 3));
    assert_eq!(produce(&mut machine, 0, 3, 2), duplicate(13, 15));
    assert!(before == machine.state.export().unwrap(), "a retry changes nothing");
    // The same start with another length is no retry.
    assert_eq!(produce(&mut machine, 0, 3, 1), out_of_order(3, 5));
}

#[test]
fn five_batches_are_remembered() {
    let mut machine = Machine::with_partitions(1);
    for sequence in 0..6 {
        produce(&mut machine, 0, sequence, 1);
    }
    assert_eq!(produce(&mut machine, 0, 1, 1), duplicate(1, 2));
    assert_eq!(produce(&mut machine, 0, 0, 1), out_of_order(0, 6));
    assert_eq!(produce(&mut machine, 0, 7, 1), out_of_order(7, 6));
}

#[test]
fn sequences_wrap_to_zero() {
    let mut machine = Machine::with_partitions(1);
    // Sequences MAX-1, MAX, 0, 1: one batch across the wrap, found again as a retry.
    assert_eq!(produce(&mut machine, 0, i32::MAX - 1, 4), Outcome::Appended(appended(0, 4)));
    assert_eq!(produce(&mut machine, 0, i32::MAX - 1, 4), duplicate(0, 4));
    assert_eq!(produce(&mut machine, 0, 2, 1), Outcome::Appended(appended(4, 5)));
    let mut machine = Machine::with_partitions(1);
    produce(&mut machine, 0, i32::MAX, 1);
    assert_eq!(produce(&mut machine, 0, 0, 1), Outcome::Appended(appended(1, 2)));
}

#[test]
fn a_new_epoch_begins_at_sequence_zero() {
    let mut machine = Machine::with_partitions(1);
    produce(&mut machine, 3, 0, 2);
    assert_eq!(produce(&mut machine, 4, 2, 1), out_of_order(2, 0));
    assert_eq!(produce(&mut machine, 4, 0, 2), Outcome::Appended(appended(2, 4)));
    let fenced = Rejection::InvalidProducerEpoch { producer_id: 5, epoch: 3, current: 4 };
    assert_eq!(produce(&mut machine, 3, 2, 1), Outcome::Rejected(fenced.clone()));
    // Not a retry either: what an older epoch wrote is forgotten.
    assert_eq!(produce(&mut machine, 3, 0, 2), Outcome::Rejected(fenced));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut machine = Machine::with_partitions(1);
    assert_eq!(produce(&mut machine, 7, 1_000, 1), Outcome::Appended(appended(0, 1)));
    assert_eq!(produce(&mut machine, 7, 1_002, 1), out_of_order(1_002, 1_001));
}

#[test]
fn a_silent_producer_expires_by_stamped_time() {
    let mut machine = Machine::with_partitions(1);
    machine.append(0, vec![producer_batch(5, 0, 0, 1)], 1_000);
    let late = 1_000 + PRODUCER_EXPIRY_MS;
    let retry = || vec![producer_batch(5, 0, 0, 1)];
    assert_eq!(machine.append(0, retry(), late - 1), duplicate(0, 1));
    // Expired but not yet swept: unknown all the same.
    assert_eq!(machine.append(0, retry(), late), Outcome::Appended(appended(1, 2)));
    // A new producer makes the partition sweep, once per interval.
    machine.append(0, vec![producer_batch(6, 0, 0, 1)], late + PRODUCER_EXPIRY_MS);
    let left: Vec<_> = machine.partition(0).producers().map(|p| p.producer_id).collect();
    assert_eq!(left, [6]);
    machine.append(0, vec![producer_batch(7, 0, 0, 1)], late + PRODUCER_EXPIRY_MS + PRODUCER_SWEEP_MS - 1);
    assert_eq!(machine.partition(0).producers().count(), 2);
}

#[test]
fn producers_of_a_partition_are_bounded() {
    let mut machine = Machine::with_partitions(1);
    for id in 0..=MAX_PRODUCERS as i64 {
        machine.append(0, vec![producer_batch(id, 0, 0, 1)], id);
        assert!(machine.partition(0).producers().count() <= MAX_PRODUCERS);
    }
    let first = machine.partition(0).producers().next().unwrap();
    assert_eq!(first.producer_id, MAX_PRODUCERS as i64 / 16, "the ones silent for longest went");
    let restored = State::import(&machine.state.export().unwrap()).unwrap();
    assert!(restored.export().unwrap() == machine.state.export().unwrap());
}

#[test]
fn an_append_of_several_batches_is_all_or_nothing() {
    let mut machine = Machine::with_partitions(1);
    let both = || vec![producer_batch(5, 0, 0, 2), producer_batch(5, 0, 2, 3)];
    assert_eq!(machine.append(0, both(), 0), Outcome::Appended(appended(0, 5)));
    assert_eq!(machine.append(0, both(), 0), duplicate(0, 5));
    let late = fixtures::append(0, vec![producer_batch(5, 0, 5, 1), producer_batch(5, 0, 9, 1)], 0);
    let rejection = machine.reject(Command::Append(late));
    assert_eq!(Outcome::Rejected(rejection), out_of_order(9, 6));
    let mixed = fixtures::append(0, vec![producer_batch(5, 0, 2, 3), producer_batch(5, 0, 5, 1)], 0);
    assert!(matches!(machine.reject(Command::Append(mixed)), Rejection::Invalid(_)));
    assert_eq!(machine.partition(0).high_watermark, 5);
}

#[test]
fn broken_and_transactional_batches_are_refused() {
    let mut machine = Machine::with_partitions(1);
    let good = producer_batch(5, 0, 0, 1);
    let mut transactional = good.to_vec();
    transactional[22] |= 0x10;
    let mut control = good.to_vec();
    control[22] |= 0x20;
    let mut long = good.to_vec();
    long.push(0);
    let unsequenced = producer_batch(5, 0, -1, 1).to_vec();
    let short = good[..good.len() - 1].to_vec();
    for bad in [transactional, control, long, short, unsequenced, vec![]] {
        let command = Command::Append(fixtures::append(0, vec![batch(1), bad.into()], 0));
        assert!(matches!(machine.reject(command), Rejection::Invalid(_)));
    }
    let nothing = Command::Append(fixtures::append(0, vec![], 0));
    assert!(matches!(machine.reject(nothing), Rejection::Invalid(_)));
}

/// Everything a producer ever wrote in its epoch, and no cleverness.
#[derive(Default)]
struct Model {
    producers: HashMap<i64, (i16, Vec<Written>)>,
    next_offset: i64,
}

struct Written {
    first: i64,
    count: i64,
    base: i64,
}

impl Model {
    fn append(&mut self, id: i64, epoch: i16, first: i32, count: i32) -> Result<(i64, bool), &'static str> {
        const SEQUENCES: i64 = 1 << 31;
        let (first, count) = (i64::from(first), i64::from(count));
        let written = Written { first, count, base: self.next_offset };
        match self.producers.get_mut(&id) {
            None => {
                self.producers.insert(id, (epoch, vec![written]));
            }
            Some((known, _)) if epoch < *known => return Err("epoch"),
            Some((known, _)) if epoch > *known && first != 0 => return Err("sequence"),
            Some((known, history)) if epoch > *known => (*known, *history) = (epoch, vec![written]),
            Some((_, history)) => {
                let recent = history.iter().rev().take(5);
                if let Some(same) = recent.into_iter().find(|w| w.first == first && w.count == count) {
                    return Ok((same.base, true));
                }
                let last = history.last().unwrap();
                if (last.first + last.count) % SEQUENCES != first {
                    return Err("sequence");
                }
                history.push(written);
            }
        }
        self.next_offset += count;
        Ok((self.next_offset - count, false))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn producers_behave_like_the_model(
        start in prop_oneof![Just(0i32), i32::MAX - 20..=i32::MAX],
        steps in prop::collection::vec((0i64..3, 0u8..20, 1i32..4, 0i32..12), 1..200),
    ) {
        let mut machine = Machine::with_partitions(1);
        let mut model = Model::default();
        let mut cursors: HashMap<i64, (i16, i32)> = HashMap::new();
        for (id, kind, count, back) in steps {
            let (epoch, next) = *cursors.entry(id).or_insert((1_000, start));
            let wrap = |sequence: i64| (sequence & i64::from(i32::MAX)) as i32;
            let (epoch, sequence) = match kind {
                0 => (epoch + 1, 0),
                1 => (epoch + 1, next),
                2 => (epoch - 1, next),
                3..=8 => (epoch, wrap(i64::from(next) - i64::from(back))),
                9 => (epoch, wrap(i64::from(next) + i64::from(back))),
                _ => (epoch, next),
            };
            let outcome = machine.append(0, vec![producer_batch(id, epoch, sequence, count)], 0);
            let expected = model.append(id, epoch, sequence, count);
            match (outcome, expected) {
                (Outcome::Appended(got), Ok((base, duplicate))) => {
                    prop_assert_eq!((got.base_offset, got.duplicate), (base, duplicate));
                    prop_assert_eq!(got.next_offset, base + i64::from(count));
                    if !duplicate {
                        cursors.insert(id, (epoch, wrap(i64::from(sequence) + i64::from(count))));
                    }
                }
                (Outcome::Rejected(Rejection::InvalidProducerEpoch { .. }), Err("epoch"))
                | (Outcome::Rejected(Rejection::OutOfOrderSequence { .. }), Err("sequence")) => {}
                (got, expected) => prop_assert!(false, "{got:?}, model says {expected:?}"),
            }
            prop_assert_eq!(machine.partition(0).high_watermark, model.next_offset);
        }
    }
}
