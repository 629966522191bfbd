//! Function progress is all or nothing, and outbox messages arrive exactly once however often and
//! in whatever pieces they are delivered.

use crate::fixtures::{self, Machine, batch, instance, partition, progress};
use proptest::prelude::*;
use tidemill_state::limits::{MAX_GUEST_KEY_BYTES, MAX_GUEST_STATE_BYTES, MAX_OUTBOX_BYTES};
use tidemill_state::*;
use uuid::Uuid;

fn far(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(99), partition: number }
}

fn message(number: i32, records: i32) -> OutboxMessage {
    OutboxMessage { target: far(number), batch: OutboxBatch(batch(records).to_vec()) }
}

/// Partition 0 has ten records and a function at its start; partition 1 takes outputs.
fn machine() -> (Machine, FunctionInstance) {
    let mut machine = Machine::with_partitions(2);
    machine.append(0, vec![batch(10)], 0);
    let instance = instance(1, 0);
    machine.must(Command::OpenFunction(OpenFunction { instance, position: 0 }));
    (machine, instance)
}

#[test]
fn outputs_state_and_position_move_together() {
    let (mut machine, instance) = machine();
    let mut step = progress(instance, 0, 4);
    step.outputs = vec![fixtures::append(1, vec![batch(2)], 0), fixtures::append(1, vec![batch(3)], 0)];
    step.outbox = vec![message(0, 1), message(1, 1), message(0, 2)];
    step.state_changes = vec![(b"count".to_vec(), Some(vec![4])), (b"gone".to_vec(), None)];
    let applied = machine.must(Command::FunctionProgress(step.clone()));
    let outputs = vec![fixtures::appended(0, 2), fixtures::appended(2, 5)];
    assert_eq!(applied.outcome, Outcome::Progressed(outputs));
    let placed = applied.effects.iter().filter_map(|effect| match effect {
        Effect::BatchAppended(b) => Some((b.append, b.batch, b.base_offset)),
        _ => None,
    });
    let placed: Vec<_> = placed.collect();
    assert_eq!(placed, [(0, 0, 0), (1, 0, 2)]);
    let function = machine.state.function(&instance).unwrap();
    assert_eq!((function.position, function.get(b"count")), (4, Some(&[4][..])));
    let queued: Vec<_> =
        machine.state.outboxes_of(&instance).map(|(s, o)| (s.target, o.messages().len())).collect();
    assert_eq!(queued, [(far(0), 2), (far(1), 1)]);

    // Another runner with the old position gets nowhere.
    assert_eq!(
        machine.reject(Command::FunctionProgress(step)),
        Rejection::Conflict { expected: 0, found: 4 }
    );
}

#[test]
fn any_bad_part_rejects_the_whole_step() {
    let (mut machine, instance) = machine();
    let mut good = progress(instance, 0, 4);
    good.outputs = vec![fixtures::append(1, vec![batch(2)], 0)];
    good.outbox = vec![message(0, 1)];
    good.state_changes = vec![(b"count".to_vec(), Some(vec![4]))];
    let reject = |machine: &mut Machine, change: &dyn Fn(&mut FunctionProgress)| {
        let mut step = good.clone();
        change(&mut step);
        machine.reject(Command::FunctionProgress(step))
    };
    let closed = reject(&mut machine, &|s| s.outputs.push(fixtures::append(3, vec![batch(1)], 0)));
    assert_eq!(closed, Rejection::UnknownPartition(partition(3)));
    let broken = reject(&mut machine, &|s| s.outputs[0].batches.push(vec![1, 2, 3].into()));
    assert!(matches!(broken, Rejection::Invalid(_)));
    let broken = reject(&mut machine, &|s| s.outbox[0].batch = OutboxBatch(vec![1, 2, 3]));
    assert!(matches!(broken, Rejection::Invalid(_)));
    let beyond = reject(&mut machine, &|s| s.position = 11);
    assert!(matches!(beyond, Rejection::OffsetOutOfRange { offset: 11, .. }));
    let back = reject(&mut machine, &|s| s.position = -1);
    assert!(matches!(back, Rejection::OffsetOutOfRange { .. }));
    let key = reject(&mut machine, &|s| s.state_changes[0].0 = vec![0; MAX_GUEST_KEY_BYTES + 1]);
    assert!(matches!(key, Rejection::Invalid(_)));
    let large = reject(&mut machine, &|s| s.state_changes[0].1 = Some(vec![0; MAX_GUEST_STATE_BYTES]));
    assert!(matches!(large, Rejection::Invalid(_)));
    let other = reject(&mut machine, &|s| s.instance = fixtures::instance(2, 0));
    assert_eq!(other, Rejection::UnknownFunction(fixtures::instance(2, 0)));
    machine.must(Command::FunctionProgress(good));
}

#[test]
fn a_full_outbox_holds_the_function_until_it_is_delivered() {
    let (mut machine, instance) = machine();
    let mut large = tidemill_records::BatchBuilder::new(tidemill_records::BatchFacts::default());
    large.push(0, 0, None, Some(&vec![0; MAX_OUTBOX_BYTES / 2]), &[]);
    let large = large.build(tidemill_records::Compression::None).unwrap().into_bytes();
    let mut step = progress(instance, 0, 1);
    step.outbox = vec![OutboxMessage { target: far(0), batch: OutboxBatch(large.to_vec()) }];
    machine.must(Command::FunctionProgress(step.clone()));
    (step.expected_position, step.position) = (1, 2);
    let full = Command::FunctionProgress(step.clone());
    assert_eq!(machine.reject(full.clone()), Rejection::OutboxFull(instance));
    // Without output it may go on, and with output again after delivery.
    machine.must(Command::FunctionProgress(progress(instance, 1, 1)));
    let stream = OutboxStream { instance, target: far(0) };
    machine.must(Command::OutboxDelivered(OutboxDelivered { stream, last_sequence: 1 }));
    assert_eq!(machine.state.function(&instance).unwrap().outbox_bytes(), 0);
    machine.must(full);
    assert_eq!(machine.state.outbox(&stream).unwrap().messages().keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn closing_a_function_leaves_nothing() {
    let (mut machine, instance) = machine();
    machine.must(Command::CloseFunction(instance));
    let before = machine.state.export().unwrap();
    machine.must(Command::OpenFunction(OpenFunction { instance, position: 3 }));
    machine.must(Command::OpenFunction(OpenFunction { instance, position: 5 }));
    assert_eq!(machine.state.function(&instance).unwrap().position, 3, "opening again has no effect");
    let mut step = progress(instance, 3, 4);
    step.outbox = vec![message(0, 1)];
    step.state_changes = vec![(b"count".to_vec(), Some(vec![4]))];
    machine.must(Command::FunctionProgress(step));
    machine.must(Command::CloseFunction(instance));
    assert!(machine.state.export().unwrap() == before);
    assert_eq!(machine.must(Command::CloseFunction(instance)).outcome, Outcome::Done);
    let stream = OutboxStream { instance, target: far(0) };
    machine.reject(Command::OutboxDelivered(OutboxDelivered { stream, last_sequence: 1 }));
    machine.reject(Command::OpenFunction(OpenFunction { instance, position: 11 }));
    machine.reject(Command::OpenFunction(OpenFunction { instance: fixtures::instance(1, 5), position: 0 }));
}

#[test]
fn a_receiver_refuses_gaps_and_forgets_closed_senders() {
    let (mut machine, _) = machine();
    let sender = FunctionInstance { function_id: Uuid::from_u128(5), input: far(0) };
    let stream = OutboxStream { instance: sender, target: partition(1) };
    let accept = |first_sequence, batches: Vec<bytes::Bytes>| {
        Command::AcceptOutbox(AcceptOutbox {
            stream,
            first_sequence,
            append: fixtures::append(1, batches, 0),
        })
    };
    assert_eq!(machine.reject(accept(2, vec![batch(1)])), Rejection::Conflict { expected: 2, found: 1 });
    machine.must(accept(1, vec![batch(1), batch(2)]));
    // Two of three are known.
    let applied = machine.must(accept(1, vec![batch(1), batch(2), batch(3)]));
    assert_eq!(applied.outcome, Outcome::OutboxAccepted { last_sequence: 3 });
    let [Effect::BatchAppended(placed)] = applied.effects[..] else { panic!("{:?}", applied.effects) };
    assert_eq!((placed.batch, placed.base_offset, placed.last_offset), (2, 3, 5));
    machine.reject(accept(0, vec![batch(1)]));
    machine.reject(accept(4, vec![]));
    let wrong = AcceptOutbox { stream, first_sequence: 4, append: fixtures::append(0, vec![batch(1)], 0) };
    machine.reject(Command::AcceptOutbox(wrong));
    machine.must(Command::CloseFunction(sender));
    assert_eq!(machine.state.outbox_taken(&stream), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A sender journal and a receiver journal; deliveries are repeated, split, late, and lost with
    /// either side restored from a snapshot in between.
    #[test]
    fn outbox_messages_arrive_exactly_once(
        steps in prop::collection::vec((0u8..10, 1i32..6, 0usize..8, 1usize..6), 1..120),
    ) {
        let mut sender = Machine::with_partitions(1);
        sender.append(0, vec![batch(1)], 0);
        let instance = instance(1, 0);
        sender.must(Command::OpenFunction(OpenFunction { instance, position: 0 }));
        let mut receiver = Machine::with_partitions(1);
        let stream = OutboxStream { instance, target: partition(0) };
        let mut sent: Vec<bytes::Bytes> = Vec::new();
        let mut arrived: Vec<bytes::Bytes> = Vec::new();
        let mut old_deliveries: Vec<AcceptOutbox> = Vec::new();
        for (kind, records, skip, take) in steps {
            match kind {
                0..=3 => {
                    let mut step = progress(instance, 0, 0);
                    let batches: Vec<_> = (0..take).map(|i| batch(records + i as i32)).collect();
                    let queue = |b: &bytes::Bytes| OutboxMessage { target: partition(0), batch: OutboxBatch(b.to_vec()) };
                    step.outbox = batches.iter().map(queue).collect();
                    sender.must(Command::FunctionProgress(step));
                    sent.extend(batches);
                }
                4..=6 => {
                    let Some(outbox) = sender.state.outbox(&stream) else { continue };
                    let pending: Vec<_> = outbox.messages().iter().skip(skip).take(take).collect();
                    let Some((first, _)) = pending.first() else { continue };
                    let batches = pending.iter().map(|(_, b)| (*b).clone()).collect();
                    let delivery = AcceptOutbox {
                        stream,
                        first_sequence: **first,
                        append: fixtures::append(0, batches, 0),
                    };
                    deliver(&mut receiver, &delivery, &mut arrived);
                    old_deliveries.push(delivery);
                }
                7 => {
                    if let Some(old) = old_deliveries.get(skip) {
                        deliver(&mut receiver, &old.clone(), &mut arrived);
                    }
                }
                8 => {
                    let last_sequence = receiver.state.outbox_taken(&stream);
                    sender.applied(&Command::OutboxDelivered(OutboxDelivered { stream, last_sequence }));
                }
                _ => {
                    let restore = |state: &State| State::import(&state.export().unwrap()).unwrap();
                    sender.state = restore(&sender.state);
                    receiver.state = restore(&receiver.state);
                }
            }
            prop_assert!(arrived.len() <= sent.len() && arrived == sent[..arrived.len()]);
            let records: i32 = arrived.iter().map(|b| {
                tidemill_records::RecordBatch::parse(b.clone()).unwrap().record_count()
            }).sum();
            prop_assert_eq!(receiver.partition(0).high_watermark, i64::from(records));
        }
    }
}

fn deliver(receiver: &mut Machine, delivery: &AcceptOutbox, arrived: &mut Vec<bytes::Bytes>) {
    let applied = receiver.applied(&Command::AcceptOutbox(delivery.clone()));
    for effect in applied.effects {
        let Effect::BatchAppended(placed) = effect else {
            continue;
        };
        arrived.push(delivery.append.batches[placed.batch as usize].clone());
    }
}
