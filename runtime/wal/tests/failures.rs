//! Full disks, failing writes and failing syncs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::io::ErrorKind;

use support::{
    append, fill, filled, hot_offsets, index, log_id, one_record, open, options, partition, try_open,
};
use tidemill_disk::SimDisk;
use tidemill_disk::sim::Operation;
use tidemill_wal::{Error, Options, Space, Wal};

fn append_until_full(wal: &Wal, first: u64) -> u64 {
    for n in first.. {
        match append(wal, &one_record(n, &[n as u8; 100])) {
            Ok(()) => {
                wal.sync().unwrap();
            }
            Err(Error::DiskFull { .. }) => return n,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!()
}

fn check_entries(wal: &Wal, last: u64) {
    let entries = wal.read_entries(0..u64::MAX, u64::MAX).unwrap();
    assert_eq!(entries.last().unwrap().log_id, log_id(last));
    for entry in entries {
        let n = entry.log_id.index;
        assert_eq!(entry.payload(), one_record(n, &[n as u8; 100]).payload());
    }
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    for capacity in [3_000, 4_097, 5_555, 9_999] {
        let disk = SimDisk::new(capacity);
        disk.set_capacity(Some(capacity));
        let (wal, _) = open(&disk);
        let full_at = append_until_full(&wal, 1);
        assert!(full_at > 5);
        check_entries(&wal, full_at - 1);
        assert!(matches!(
            append(&wal, &one_record(full_at, &[full_at as u8; 100])),
            Err(Error::DiskFull { .. })
        ));
        // Whatever a power cut now leaves, the refused entry is not in it.
        for seed in 0..20 {
            let (_, recovered) = open(&disk.crash_image(seed));
            assert_eq!(recovered.last, Some(log_id(full_at - 1)));
        }
        disk.set_capacity(Some(capacity * 2));
        let next = append_until_full(&wal, full_at);
        assert!(next > full_at + 5);
        drop(wal);
        let (wal, _) = open(&disk.crash());
        check_entries(&wal, next - 1);
    }
}

#[test]
fn a_disk_that_fills_up_behind_our_back_tears_no_frame() {
    for nth in 1..4 {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            for operation in [Operation::Write, Operation::SetLen, Operation::Create, Operation::Rename] {
                let disk = SimDisk::new(nth);
                let (wal, _) = open(&disk);
                let mut appended = 0;
                disk.fail(operation, nth, kind);
                for _ in 0..60 {
                    match append(&wal, &one_record(appended + 1, &[appended as u8 + 1; 100])) {
                        Ok(()) => appended += 1,
                        Err(Error::DiskFull { .. }) => assert_eq!(kind, ErrorKind::StorageFull),
                        Err(Error::Io { .. }) => assert_eq!(kind, ErrorKind::Other),
                        Err(other) => panic!("{other}"),
                    }
                }
                wal.sync().unwrap();
                assert!(appended >= 59);
                check_entries(&wal, appended);
                check_entries(&open(&disk.crash()).0, appended);
            }
        }
    }
}

#[test]
fn small_commands_use_the_reserve_when_producers_are_refused() {
    let small = Options { reserve_bytes: 8_000, ..options() };
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(20_000));
    let (by_disk, _) = try_open(&disk, small.clone()).unwrap();
    let unbounded = SimDisk::new(1);
    let (by_setting, _) = try_open(&unbounded, Options { max_bytes: 12_000, ..small }).unwrap();
    for wal in [by_disk, by_setting] {
        let full_at = append_until_full(&wal, 1);
        let mut n = full_at;
        while wal.append(vec![one_record(n, b"small").frame], Space::Reserve).is_ok() {
            n += 1;
        }
        assert!(n > full_at + 5, "{full_at}..{n}");
        let total = wal.usage().total_bytes;
        assert!((12_001..=16_000).contains(&total), "{total}");
        // With the help of the reserve everything is released, and producers go on.
        wal.sync().unwrap();
        (1..full_at).for_each(|n| index(&wal, &one_record(n, &[n as u8; 100])));
        wal.checkpoint_index(n - 1).unwrap();
        wal.purge_upto(log_id(n - 1)).unwrap();
        wal.hot().release(partition(0), i64::MAX);
        assert!(wal.reclaim(n - 1).unwrap().deleted_files > 0);
        append(&wal, &one_record(n, &[n as u8; 100])).unwrap();
    }
}

#[test]
fn a_failed_sync_stops_the_log_for_good() {
    let disk = SimDisk::new(1);
    let wal = filled(&disk, 3, b"value");
    append(&wal, &one_record(4, b"lost?")).unwrap();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    assert!(matches!(wal.sync(), Err(Error::Stopped { .. })));
    let stopped = |result: Result<(), Error>| matches!(result, Err(Error::Stopped { .. }));
    assert!(stopped(wal.sync().map(|_| ())));
    assert!(stopped(append(&wal, &one_record(5, b""))));
    assert!(stopped(wal.truncate_since(4)));
    assert!(stopped(wal.purge_upto(log_id(1))));
    assert!(stopped(wal.save_vote(b"v")));
    assert!(stopped(wal.checkpoint_index(1)));
    assert!(stopped(wal.reclaim(1).map(drop)));
    assert!(stopped(wal.read_entries(1..2, 1).map(drop)));
    assert!(stopped(wal.hot().read(partition(0), 0, 1, true).map(drop)));
    drop(wal);
    let (wal, recovered) = open(&disk);
    assert!(recovered.last >= Some(log_id(3)));
    fill(&wal, recovered.last.unwrap().index + 1..=9, b"value");
}

#[test]
fn every_sync_that_fails_stops_the_log_and_loses_nothing_synced() {
    for nth in 1.. {
        let disk = SimDisk::new(nth);
        let (wal, _) = open(&disk);
        disk.fail(Operation::Sync, nth, ErrorKind::Other);
        let mut synced = 0;
        let mut checkpointed = 0;
        let stopped = (1..=40_u64).find_map(|n| {
            let entry = one_record(n, &[1; 300]);
            let step = append(&wal, &entry).and_then(|()| wal.sync().map(|_| ())).and_then(|()| {
                synced = n;
                index(&wal, &entry);
                if n % 7 != 0 {
                    return Ok(());
                }
                wal.checkpoint_index(n).map(|()| checkpointed = n)
            });
            step.err()
        });
        let (wal, recovered) = open(&disk.crash());
        assert!(recovered.last.map_or(0, |last| last.index) >= synced);
        assert!(recovered.indexed.unwrap_or(0) >= checkpointed);
        (checkpointed + 1..=synced).for_each(|n| index(&wal, &one_record(n, &[1; 300])));
        assert_eq!(hot_offsets(&wal, 0), (0..synced as i64).collect::<Vec<_>>());
        match stopped {
            Some(Error::Stopped { .. }) => {}
            Some(other) => panic!("{other}"),
            None => return, // more than there are
        }
    }
}

#[test]
fn a_torn_tail_is_cut_and_said() {
    let disk = SimDisk::new(1);
    let wal = filled(&disk, 3, b"value");
    append(&wal, &one_record(4, &[4; 900])).unwrap();
    append(&wal, &one_record(5, &[5; 900])).unwrap();
    let mut cuts = 0;
    for seed in 0..50 {
        let image = disk.crash_image(seed);
        let (wal, recovered) = open(&image);
        let last = recovered.last.unwrap().index;
        assert!((3..=5).contains(&last));
        if let Some(cut) = recovered.cut {
            assert_eq!(cut.file, "00000000000000000001.wal");
            cuts += 1;
        }
        fill(&wal, last + 1..=8, b"on");
        drop(wal);
        assert_eq!(open(&image.crash()).1.last, Some(log_id(8)));
    }
    assert!(cuts > 5, "{cuts}");
}

#[test]
fn entries_that_a_killed_process_left_unsynced_become_durable_at_open() {
    let disk = SimDisk::new(1);
    let wal = filled(&disk, 3, b"value");
    append(&wal, &one_record(4, b"not synced")).unwrap();
    drop(wal);
    let (_, recovered) = open(&disk);
    assert_eq!(recovered.last, Some(log_id(4)));
    for seed in 0..20 {
        assert_eq!(open(&disk.crash_image(seed)).1.last, Some(log_id(4)));
    }
}
