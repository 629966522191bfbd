//! What the log gives from memory alone, for threads that must not wait for a disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use support::{Entry, append, batch, index, log_id, options, partition};
use tidemill_disk::SimDisk;
use tidemill_records::RecordBatch;
use tidemill_wal::{HotRead, Options, Wal};

fn open(disk: &SimDisk) -> Wal {
    support::try_open(disk, Options { cache_bytes: 1 << 20, ..options() }).unwrap().0
}

#[test]
fn memory_alone_gives_recent_batches_within_the_limit() {
    let disk = SimDisk::new(1);
    let wal = open(&disk);
    let entry = Entry::new(
        log_id(1),
        &[(0, 100, batch(3, b"a", 5)), (0, 103, batch(2, b"c", 7)), (1, 7, batch(1, b"b", 6))],
    );
    append(&wal, &entry).unwrap();
    wal.sync().unwrap();
    index(&wal, &entry);
    let cached = |wal: &Wal, offset, max_bytes, at_least_one| {
        wal.hot().read_cached(partition(0), offset, max_bytes, at_least_one).unwrap()
    };
    let bases = |read: Option<HotRead>| {
        read.map(|read| read.batches.iter().map(RecordBatch::base_offset).collect::<Vec<_>>())
    };
    assert_eq!(bases(cached(&wal, 100, 1 << 20, false)), Some(vec![100, 103]));
    assert_eq!(bases(cached(&wal, 102, 1, true)), Some(vec![100]), "the whole batch");
    assert_eq!(bases(cached(&wal, 102, 1, false)), None, "not one fits");
    assert_eq!(bases(cached(&wal, 105, 1 << 20, true)), None, "the end");
    assert_eq!(bases(cached(&wal, 99, 1 << 20, true)), None, "before the start");
    drop(wal);
    let wal = open(&disk);
    index(&wal, &entry);
    assert_eq!(bases(cached(&wal, 100, 1 << 20, false)), None, "only the file has it");
    assert_eq!(wal.hot().read(partition(0), 100, 1 << 20, false).unwrap().batches.len(), 2);
}

#[test]
fn more_batches_than_a_network_thread_should_handle_are_not_given_from_memory() {
    let disk = SimDisk::new(1);
    let wal = open(&disk);
    let batches: Vec<_> = (0..300).map(|offset| (0, offset, batch(1, b"a", 5))).collect();
    let entry = Entry::new(log_id(1), &batches);
    append(&wal, &entry).unwrap();
    wal.sync().unwrap();
    index(&wal, &entry);
    assert!(wal.hot().read_cached(partition(0), 0, 1 << 20, true).unwrap().is_none());
    assert_eq!(wal.hot().read(partition(0), 0, 1 << 20, true).unwrap().batches.len(), 300);
    let last = wal.hot().read_cached(partition(0), 290, 1 << 20, true).unwrap();
    assert_eq!(last.map(|read| read.batches.len()), Some(10));
}
