//! One writer, one reclaimer and many readers at once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use support::{Entry, append, batch, index, log_id, options, partition};
use tidemill_disk::sim::SimRandom;
use tidemill_disk::{Disk, RealDisk, SimDisk};
use tidemill_records::RecordBatch;
use tidemill_wal::{Error, Wal};

const ENTRIES: u64 = 1_500;
/// How far behind the newest entry everything is released.
const KEPT: u64 = 120;
/// What each reader reads at least.
const BATCHES_PER_READER: u64 = 50;

/// Entry n has one record at offset n of partition 0, and every 50th one of partition 1 at n / 50.
fn entry(n: u64) -> Entry {
    let mut appends = vec![(0, n as i64, produced(n))];
    if n.is_multiple_of(50) {
        appends.push((1, n as i64 / 50, produced(n)));
    }
    Entry::new(log_id(n), &appends)
}

fn produced(n: u64) -> RecordBatch {
    batch(1, &[n as u8; 100], n as i64)
}

fn write(wal: &Wal, applied: &AtomicU64) {
    for n in 1..=ENTRIES {
        append(wal, &entry(n)).unwrap();
        wal.sync().unwrap();
        index(wal, &entry(n));
        applied.store(n, Ordering::SeqCst);
    }
}

fn reclaim(wal: &Wal, applied: &AtomicU64, done: &AtomicBool) -> u64 {
    let mut deleted = 0;
    let mut last_round = false;
    while !last_round {
        last_round = done.load(Ordering::SeqCst);
        let upto = applied.load(Ordering::SeqCst);
        if upto > 0 {
            wal.checkpoint_index(upto).unwrap();
            wal.purge_upto(log_id(upto)).unwrap();
            wal.hot().release(partition(0), upto.saturating_sub(KEPT) as i64);
            deleted += wal.reclaim(upto).unwrap().deleted_files;
        }
        std::thread::yield_now();
    }
    deleted
}

fn read(wal: &Wal, applied: &AtomicU64, done: &AtomicBool, seed: u64) -> u64 {
    let mut random = SimRandom::new(seed);
    let mut batches = 0;
    // Until the writer is done, and until something was read: the scheduler may let a reader run only
    // before the first entry and after the last.
    while batches < BATCHES_PER_READER || !done.load(Ordering::SeqCst) {
        let newest = applied.load(Ordering::SeqCst);
        let number = random.below(2) as i32;
        let every = if number == 0 { 1 } else { 50 };
        let offset = newest.saturating_sub(random.below(2 * KEPT)) as i64 / every;
        match wal.hot().read(partition(number), offset, 3_000, true) {
            Ok(read) => {
                let mut next = offset;
                for batch in &read.batches {
                    assert_eq!(*batch, produced((next * every) as u64).patched(next, 1));
                    next += 1;
                }
                assert!(read.batches.is_empty() || read.next == next);
                batches += read.batches.len() as u64;
            }
            Err(Error::NotHot { start, .. }) => assert!(start.is_none_or(|start| offset < start)),
            Err(other) => panic!("{other}"),
        }
        let time = wal.hot().offset_for_timestamp(partition(1), newest as i64).unwrap();
        assert!(time.is_none_or(
            |hit| hit.max_timestamp_ms >= newest as i64 && hit.base_offset * 50 == hit.max_timestamp_ms
        ));
        match wal.read_entries(newest..newest + 3, u64::MAX) {
            Ok(entries) => {
                for read in entries {
                    assert_eq!(read.payload(), entry(read.log_id.index).payload());
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    batches
}

fn all_at_once(disk: Arc<dyn Disk>, dir: &Path) {
    let (wal, _) = Wal::open(disk, dir, options()).unwrap();
    let (applied, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reclaimer = scope.spawn(|| reclaim(&wal, &applied, &done));
        let readers: Vec<_> = (0..3)
            .map(|seed| {
                scope.spawn({
                    let (wal, applied, done) = (&wal, &applied, &done);
                    move || read(wal, applied, done, seed)
                })
            })
            .collect();
        let writer = scope.spawn(|| write(&wal, &applied));
        let written = writer.join();
        done.store(true, Ordering::SeqCst);
        written.unwrap();
        for reader in readers {
            assert!(reader.join().unwrap() >= BATCHES_PER_READER);
        }
        assert!(reclaimer.join().unwrap() > 10);
    });
    wal.checkpoint_index(ENTRIES).unwrap();
    wal.purge_upto(log_id(ENTRIES)).unwrap();
    wal.hot().release(partition(0), (ENTRIES - KEPT) as i64);
    wal.reclaim(ENTRIES).unwrap();
    let offsets = support::hot_offsets(&wal, 1);
    assert_eq!(offsets, (1..=ENTRIES as i64 / 50).collect::<Vec<_>>());
    assert!(wal.usage().total_bytes < 120_000, "{:?}", wal.usage());
}

#[test]
fn on_the_simulated_disk() {
    all_at_once(Arc::new(SimDisk::new(1)), Path::new(support::DIR));
}

#[test]
fn on_the_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    all_at_once(Arc::new(RealDisk), dir.path());
}
