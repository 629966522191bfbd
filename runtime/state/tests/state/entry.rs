//! The entry codec: round trips, no copies, extents, and hostile bytes.

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_state::*;

use crate::fixtures::{self, Machine, Workload, batch, instance, partition};

fn commands(seed: u64, len: usize) -> Vec<Command> {
    let mut machine = Machine::with_partitions(2);
    let mut workload = Workload::new(seed);
    let next = |_| {
        let command = workload.next(&machine.state);
        machine.applied(&command);
        command
    };
    (0..len).map(next).collect()
}

fn payload(entry: &EncodedEntry) -> Bytes {
    assert_eq!(entry.len_bytes, entry.parts.iter().map(Bytes::len).sum::<usize>());
    entry.parts.concat().into()
}

fn appends(command: &Command) -> Vec<&Append> {
    match command {
        Command::Append(append) => vec![append],
        Command::FunctionProgress(progress) => progress.outputs.iter().collect(),
        Command::AcceptOutbox(accept) => vec![&accept.append],
        Command::AppendTransactional(command) => vec![&command.append],
        Command::WriteMarker(command) => vec![&command.append],
        _ => vec![],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn entries_round_trip(seed: u64, len in 0usize..40) {
        let commands = commands(seed, len);
        let encoded = encode_entry(&commands).unwrap();
        let payload = payload(&encoded);
        let decoded = decode_entry(payload.clone()).unwrap();
        prop_assert_eq!(&decoded.commands, &commands);
        prop_assert_eq!(&decoded.extents, &encoded.extents);
        for (c, command) in decoded.commands.iter().enumerate() {
            for (a, append) in appends(command).into_iter().enumerate() {
                for (b, batch) in append.batches.iter().enumerate() {
                    let range = decoded.extents.get(c, a as u32, b as u32).unwrap();
                    let slice = &payload[range.start as usize..range.end as usize];
                    prop_assert_eq!(slice, &batch[..]);
                    prop_assert_eq!(slice.as_ptr(), batch.as_ptr(), "decoding must not copy");
                }
                prop_assert!(decoded.extents.get(c, a as u32, append.batches.len() as u32).is_none());
            }
            prop_assert!(decoded.extents.get(c, appends(command).len() as u32, 0).is_none());
        }
        prop_assert!(decoded.extents.get(commands.len(), 0, 0).is_none());
    }

    #[test]
    fn mutated_entries_never_panic(
        seed: u64,
        len in 1usize..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = payload(&encode_entry(&commands(seed, len)).unwrap()).to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let short = bytes[..cut.index(bytes.len())].to_vec();
        for bytes in [bytes, short] {
            if let Ok(entry) = decode_entry(bytes.into()) {
                let mut machine = Machine::with_partitions(2);
                for command in &entry.commands {
                    machine.applied(command);
                }
                State::import(&machine.state.export().unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_entry(bytes.clone().into());
        if let [version, a, b, c, d, ..] = &mut bytes[..] {
            (*version, *b, *c, *d) = (1, 0, 0, 0);
            *a %= 128;
        }
        let _ = decode_entry(bytes.into());
    }
}

#[test]
fn batches_are_not_copied_when_encoding() {
    let batches = [batch(1), batch(2), batch(3)];
    let commands = [
        Command::Append(fixtures::append(0, vec![batches[0].clone(), batches[1].clone()], 0)),
        Command::Append(fixtures::append(1, vec![batches[2].clone()], 0)),
    ];
    let entry = encode_entry(&commands).unwrap();
    assert_eq!(entry.parts.len(), 4);
    for (part, batch) in entry.parts[1..].iter().zip(&batches) {
        assert_eq!(part.as_ptr(), batch.as_ptr());
    }
    let meta = entry.parts[0].len() as u32;
    assert_eq!(entry.extents.get(0, 0, 0), Some(meta..meta + batches[0].len() as u32));
}

#[test]
fn size_hints_are_near_the_truth() {
    for seed in 0..20 {
        let commands = commands(seed, 50);
        let hint: usize = commands.iter().map(Command::size_hint_bytes).sum();
        let size = encode_entry(&commands).unwrap().len_bytes;
        assert!(size <= hint + 2_000 && hint <= 3 * size, "{hint} for {size}");
    }
}

#[test]
fn limits_hold_in_both_directions() {
    let too_many = vec![Command::ClosePartition(partition(0)); limits::MAX_COMMANDS + 1];
    assert!(matches!(encode_entry(&too_many), Err(Error::TooLarge { .. })));
    let big = Bytes::from(vec![0; limits::MAX_ENTRY_BYTES]);
    let large = Command::Append(fixtures::append(0, vec![big.clone()], 0));
    assert!(matches!(encode_entry(&[large]), Err(Error::TooLarge { .. })));
    let long = Command::DeleteOffsets {
        group_id: "g".into(),
        partitions: vec![partition(0); limits::MAX_LIST_ELEMENTS + 1],
    };
    assert!(matches!(encode_entry(&[long]), Err(Error::TooLarge { .. })));
    let largest = vec![(vec![], None); limits::MAX_LIST_ELEMENTS];
    let mut step = fixtures::progress(instance(1, 0), 0, 0);
    step.state_changes = largest;
    let entry = encode_entry(&[Command::FunctionProgress(step)]).unwrap();
    decode_entry(payload(&entry)).unwrap();
    assert!(matches!(
        decode_entry(Bytes::from(vec![0; limits::MAX_ENTRY_BYTES + 1])),
        Err(Error::TooLarge { .. })
    ));
}

/// Two bytes per element would become fifty: what is claimed must not be allocated.
#[test]
fn amplified_lists_are_refused() {
    let mut step = fixtures::progress(instance(1, 0), 0, 0);
    step.state_changes = vec![(vec![], None); 1_000];
    let entry = encode_entry(&[Command::FunctionProgress(step)]).unwrap();
    let bytes = payload(&entry).to_vec();
    // The list's length (1000 = e8 07) becomes two million, with bytes to match.
    let at = bytes.windows(2).position(|w| w == [0xe8, 0x07]).unwrap();
    let claimed = [0x80, 0x89, 0x7a];
    let mut hostile = [&bytes[..at], &claimed, &vec![0; 4_000_000], &[0; 64]].concat();
    let meta = (hostile.len() - 5) as u32;
    hostile[1..5].copy_from_slice(&meta.to_le_bytes());
    let error = decode_entry(hostile.into()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn other_versions_are_named() {
    let mut bytes = payload(&encode_entry(&[]).unwrap()).to_vec();
    bytes[0] = 2;
    assert!(matches!(decode_entry(bytes.into()), Err(Error::UnknownVersion { version: 2, .. })));
}
