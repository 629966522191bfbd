//! The checkpoint store over a disk that crashes, fails and rots.

use std::io;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tidemill_disk::sim::Operation;
use tidemill_disk::{RealDisk, SimDisk};
use tidemill_state::*;

use crate::fixtures::{Machine, Workload};

const PATH: &str = "checkpoint.redb";

fn position(index: u64) -> LogPosition {
    LogPosition { term: 2, node_id: 1, index }
}

fn store(disk: &SimDisk) -> Result<CheckpointStore, Error> {
    CheckpointStore::open(Arc::new(disk.clone()), Path::new(PATH))
}

fn step(machine: &mut Machine, workload: &mut Workload, commands: usize) {
    for _ in 0..commands {
        let command = workload.next(&machine.state);
        machine.applied(&command);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whenever the power goes, the file holds the last checkpoint whose write returned, or the
    /// one that was being written; whole.
    #[test]
    fn a_crash_leaves_a_whole_checkpoint(seed: u64, after in 1u64..150, commands in 1usize..40) {
        let disk = SimDisk::new(seed);
        let mut machine = Machine::with_partitions(2);
        let mut workload = Workload::new(seed);
        disk.crash_after(after);
        let mut written: Option<(u64, Vec<u8>)> = None;
        let mut attempted: Option<(u64, Vec<u8>)> = None;
        if let Ok(store) = store(&disk) {
            for _ in 0..40 {
                step(&mut machine, &mut workload, commands);
                let changes = machine.state.take_changes().unwrap();
                let index = machine.index;
                attempted = Some((index, machine.state.export().unwrap()));
                if store.write(&changes, position(index), &index.to_le_bytes()).is_err() {
                    break;
                }
                written = attempted.clone();
            }
        }
        let found = store(&disk.crash()).unwrap().load().unwrap();
        match found {
            None => prop_assert!(written.is_none()),
            Some(checkpoint) => {
                let index = checkpoint.position.index;
                let candidates = [written, attempted];
                let expected = candidates.iter().flatten().find(|(at, _)| *at == index);
                let (_, state) = expected.expect("neither the last written nor the attempted one");
                prop_assert!(*state == checkpoint.state.export().unwrap());
                prop_assert_eq!(checkpoint.raft_meta, index.to_le_bytes());
            }
        }
    }

    /// After a failed write the same store goes on, with what it could not write absorbed.
    #[test]
    fn a_failed_write_is_made_good(seed: u64, nth in 1u64..40, sync: bool) {
        let disk = SimDisk::new(seed);
        let store = store(&disk).unwrap();
        let mut machine = Machine::with_partitions(2);
        let mut workload = Workload::new(seed);
        let operation = if sync { Operation::Sync } else { Operation::Write };
        disk.fail(operation, nth, io::ErrorKind::StorageFull);
        let mut waiting = Changes::default();
        let mut failures = 0;
        for _ in 0..20 {
            step(&mut machine, &mut workload, 10);
            waiting.absorb(machine.state.take_changes().unwrap());
            match store.write(&waiting, position(machine.index), b"") {
                Ok(()) => waiting = Changes::default(),
                Err(_) => failures += 1,
            }
        }
        prop_assert!(failures <= 1, "{} failures", failures);
        if store.write(&waiting, position(machine.index), b"").is_err() {
            store.write(&waiting, position(machine.index), b"").unwrap();
        }
        let loaded = store.load().unwrap().unwrap();
        prop_assert!(loaded.state.export().unwrap() == machine.state.export().unwrap());
        drop(store);
        let loaded = self::store(&disk.crash()).unwrap().load().unwrap().unwrap();
        prop_assert!(loaded.state.export().unwrap() == machine.state.export().unwrap());
    }

    /// A damaged file is an error or, where the damage is in unused space, nothing; never another state.
    #[test]
    fn rot_is_noticed(
        seed in 0u64..8,
        hits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
    ) {
        let disk = SimDisk::new(seed);
        let mut machine = Machine::with_partitions(2);
        step(&mut machine, &mut Workload::new(seed), 200);
        let first = store(&disk).unwrap();
        first.write(&machine.state.take_changes().unwrap(), position(1), b"meta").unwrap();
        drop(first);
        let mut bytes = disk.contents(Path::new(PATH)).unwrap();
        // Most of a new file is free space: aim at what is used.
        let used: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != 0).collect();
        for (at, bit) in hits {
            bytes[used[at.index(used.len())]] ^= 1 << bit;
        }
        disk.plant(Path::new(PATH), bytes);
        let loaded = store(&disk).and_then(|store| store.load());
        if let Ok(Some(checkpoint)) = loaded {
            prop_assert!(checkpoint.state.export().unwrap() == machine.state.export().unwrap());
        }
    }
}

#[test]
fn a_real_file_is_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(PATH);
    let open = || CheckpointStore::open(Arc::new(RealDisk), &path).unwrap();
    let mut machine = Machine::with_partitions(2);
    let mut workload = Workload::new(1);
    for _ in 0..3 {
        step(&mut machine, &mut workload, 100);
        open().write(&machine.state.take_changes().unwrap(), position(machine.index), b"meta").unwrap();
        let checkpoint = open().load().unwrap().unwrap();
        assert_eq!(checkpoint.position, position(machine.index));
        assert!(checkpoint.state.export().unwrap() == machine.state.export().unwrap());
    }
    let names: Vec<_> = dir.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [PATH], "nothing but the checkpoint is left");
}

#[test]
fn an_installed_snapshot_replaces_the_checkpoint() {
    let disk = SimDisk::new(1);
    let store = store(&disk).unwrap();
    let mut old = Machine::with_partitions(2);
    step(&mut old, &mut Workload::new(1), 200);
    store.write(&old.state.take_changes().unwrap(), position(1), b"").unwrap();

    let mut leader = Machine::with_partitions(2);
    step(&mut leader, &mut Workload::new(2), 200);
    let mut installed = State::import(&leader.state.export().unwrap()).unwrap();
    assert!(installed.has_changes());
    let mut changes = installed.take_changes().unwrap();
    assert!(!installed.has_changes());
    // As if the first attempt to write it had failed and more had happened.
    installed.apply(&ApplyContext { log_index: 900, term: 9 }, &crate::fixtures::trim(0, 1));
    changes.absorb(installed.take_changes().unwrap());
    store.write(&changes, position(2), b"").unwrap();
    let loaded = store.load().unwrap().unwrap();
    assert!(loaded.state.export().unwrap() == installed.export().unwrap());
}

/// Changes that waited, merged with later ones, are the same as all of them at once.
#[test]
fn absorbed_changes_keep_the_last_value() {
    let mut twice = Machine::with_partitions(2);
    let mut once = Machine::with_partitions(2);
    let (mut a, mut b) = (Workload::new(3), Workload::new(3));
    let mut waiting = Changes::default();
    for _ in 0..30 {
        step(&mut twice, &mut a, 10);
        step(&mut once, &mut b, 10);
        waiting.absorb(twice.state.take_changes().unwrap());
    }
    let all = once.state.take_changes().unwrap();
    assert_eq!(waiting.size_bytes(), all.size_bytes());
    let disk = SimDisk::new(1);
    let store = store(&disk).unwrap();
    store.write(&waiting, position(1), b"").unwrap();
    assert!(store.load().unwrap().unwrap().state.export().unwrap() == once.state.export().unwrap());
}

#[test]
fn nothing_changed_is_nothing_to_write() {
    let mut machine = Machine::with_partitions(1);
    assert!(!machine.state.take_changes().unwrap().is_empty());
    assert!(!machine.state.has_changes());
    machine.reject(crate::fixtures::trim(0, 5));
    machine.must(crate::fixtures::open(0));
    assert!(!machine.state.has_changes());
    assert!(machine.state.take_changes().unwrap().is_empty());
}

/// One archive commit beside a thousand objects writes two small rows, not the manifest.
#[test]
fn a_commit_writes_small_rows() {
    let mut machine = Machine::with_partitions(1);
    for i in 0..1_000 {
        machine.append(0, vec![crate::fixtures::batch(1)], 0);
        machine.must(crate::fixtures::archive(0, i, i));
    }
    machine.state.take_changes().unwrap();
    machine.append(0, vec![crate::fixtures::batch(1)], 0);
    machine.must(crate::fixtures::archive(0, 1_000, 1_000));
    let changes = machine.state.take_changes().unwrap();
    assert!(changes.size_bytes() < 400, "{}", changes.size_bytes());
}

#[test]
fn a_half_made_file_is_made_again() {
    for after in 1..30 {
        let disk = SimDisk::new(after);
        disk.crash_after(after);
        let _ = store(&disk);
        let restarted = disk.crash();
        assert!(store(&restarted).unwrap().load().unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn mutated_snapshots_never_panic(
        seed in 0u64..8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        mend: bool,
    ) {
        let mut machine = Machine::with_partitions(2);
        step(&mut machine, &mut Workload::new(seed), 100);
        let mut stream = machine.state.export().unwrap();
        let end = stream.len() - 4;
        for (at, value) in changes {
            let at = at.index(end);
            stream[at] = value;
        }
        if mend {
            let crc = crc32c::crc32c(&stream[..end]);
            stream[end..].copy_from_slice(&crc.to_le_bytes());
        }
        if let Ok(mut state) = State::import(&stream) {
            // Whatever it says, it can be used and written.
            let mut workload = Workload::new(seed);
            for index in 0..50 {
                let command = workload.next(&state);
                state.apply(&ApplyContext { log_index: index, term: 1 }, &command);
            }
            state.take_changes().unwrap();
        }
    }
}
