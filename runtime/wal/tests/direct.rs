//! Entries that are written past the page cache, several at a time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use support::{Entry, append, batch, hot_offsets, index, log_id, one_record, open, options, place, try_open};
use tidemill_disk::sim::{Operation, SimRandom};
use tidemill_disk::{SimDisk, WriteEnd};
use tidemill_wal::{DirectWrites, Error, Options, Placed, Placing, Space, Wal};

/// As large as is filled up to whole blocks, so that the next need not wait.
const LARGE: usize = 70_000;

fn roomy() -> Options {
    Options { segment_bytes: 4 << 20, allocate_bytes: 1 << 20, cache_bytes: 0, ..options() }
}

fn entry(n: u64, bytes: usize) -> Entry {
    Entry::new(log_id(n), &[(0, n as i64 - 1, batch(1, &vec![n as u8; bytes], n as i64))])
}

fn placed(wal: &Wal, entry: &Entry) -> Placed {
    wal.place(vec![entry.frame.clone()], Space::Normal).unwrap()
}

/// The entries of a log, each of which has to be `expected` of its index.
fn entries(wal: &Wal, expected: impl Fn(u64) -> Entry) -> Vec<u64> {
    let read = wal.read_entries(0..u64::MAX, u64::MAX).unwrap();
    let check = |index: u64, payload: &[u8]| assert!(payload == expected(index).payload(), "entry {index}");
    read.iter().for_each(|read| check(read.log_id.index, &read.payload()));
    read.iter().map(|read| read.log_id.index).collect()
}

#[test]
fn what_is_written_in_any_order_lands_in_the_logs() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    let large = |n| entry(n, LARGE);
    assert_eq!(place(&wal, &large(1)).unwrap().upto, Some(1));
    let (mut two, mut three, mut four) =
        (placed(&wal, &large(2)), placed(&wal, &large(3)), placed(&wal, &large(4)));
    assert_eq!(four.write().unwrap().upto, Some(1));
    assert_eq!(entries(&wal, large), [1], "what is on disk behind a gap cannot be read");
    assert_eq!(wal.sync().unwrap().upto, Some(1), "a sync does not bring it there");
    for seed in 0..50 {
        let (after, recovered) = try_open(&disk.crash_image(seed), roomy()).unwrap();
        assert_eq!(recovered.last, Some(log_id(1)));
        assert_eq!(entries(&after, large), [1]);
    }
    assert_eq!(two.write().unwrap().upto, Some(2));
    assert_eq!(three.write().unwrap().upto, Some(4));
    assert_eq!(entries(&wal, large), [1, 2, 3, 4]);
    (1..=4).for_each(|n| index(&wal, &large(n)));
    let (after, recovered) = try_open(&disk.crash(), roomy()).unwrap();
    assert_eq!((recovered.last, recovered.cut), (Some(log_id(4)), None));
    assert_eq!(entries(&after, large), [1, 2, 3, 4]);
}

#[test]
fn small_entries_share_blocks_and_harm_none_before_them() {
    let sized = |n: u64| entry(n, if n.is_multiple_of(7) { LARGE } else { 10 * n as usize });
    let mut disk = SimDisk::new(3);
    let mut acked = 0;
    for life in 0..120 {
        let (wal, recovered) = try_open(&disk, roomy()).unwrap();
        let mut last = recovered.last.map_or(0, |last| last.index);
        assert!(last >= acked, "entry {acked} was durable, {last} is the last");
        assert_eq!(entries(&wal, sized), (1..=last).collect::<Vec<_>>());
        disk.crash_after(1 + life * 7 % 13);
        while let Ok(synced) = place(&wal, &sized(last + 1)) {
            last += 1;
            acked = last;
            assert_eq!(synced.upto, Some(acked));
        }
        disk = disk.crash();
    }
    assert!(acked > 60, "only {acked} entries");
}

/// Two threads write, as fast as they can, until the power is cut.
fn write_until_crash(wal: &Wal, next: u64, size: impl Fn(u64) -> usize + Sync) -> u64 {
    let (next, acked) = (Mutex::new(next), AtomicU64::new(0));
    let run = || {
        loop {
            let mut next = next.lock().unwrap();
            let entry = entry(*next, size(*next));
            let Ok(mut placed) = wal.place(vec![entry.frame], Space::Normal) else { break };
            *next += 1;
            drop(next);
            let Ok(synced) = placed.write() else { break };
            acked.fetch_max(synced.upto.unwrap_or(0), Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(run);
        scope.spawn(run);
    });
    acked.into_inner()
}

#[test]
fn nothing_durable_is_lost_when_the_power_fails_under_several_writes() {
    let mut torn = 0;
    for seed in 0..12_u64 {
        let mut random = SimRandom::new(seed);
        let mut disk = SimDisk::new(seed);
        let size = |n: u64| if n.wrapping_mul(0x9E37_79B9 + seed) % 5 < 3 { LARGE } else { 500 };
        let mut acked = 0;
        for _ in 0..20 {
            let (wal, recovered) = try_open(&disk, roomy()).unwrap();
            let last = recovered.last.map_or(0, |last| last.index);
            assert!(last >= acked, "seed {seed}: entry {acked} was durable, {last} is the last");
            assert_eq!(entries(&wal, |n| entry(n, size(n))), (1..=last).collect::<Vec<_>>());
            torn += u64::from(recovered.cut.is_some());
            disk.slow(Operation::Sync, std::time::Duration::from_micros(200));
            disk.crash_after(1 + random.below(30));
            acked = write_until_crash(&wal, last + 1, size).max(last);
            disk = disk.crash();
        }
        assert!(acked > 60, "seed {seed}: only {acked} entries");
    }
    assert!(torn > 10, "only {torn} torn tails");
}

#[test]
fn a_write_that_fails_stops_the_log_and_all_that_wait() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    place(&wal, &entry(1, LARGE)).unwrap();
    let (mut two, mut three) = (placed(&wal, &entry(2, LARGE)), placed(&wal, &entry(3, 10)));
    let waits = std::thread::spawn({
        let wal = wal.clone();
        // In the block of the one before, which is on its way.
        move || wal.place(vec![entry(4, 10).frame], Space::Normal).map(|_| ())
    });
    std::thread::sleep(std::time::Duration::from_millis(50)); // it waits by now, or will not
    disk.fail(Operation::Write, 1, std::io::ErrorKind::Other);
    assert!(matches!(two.write(), Err(Error::Stopped { .. })));
    assert!(matches!(three.write(), Err(Error::Stopped { .. })), "what comes before it never lands");
    assert!(matches!(waits.join().unwrap(), Err(Error::Stopped { .. })));
    assert!(matches!(append(&wal, &entry(4, 10)), Err(Error::Stopped { .. })));
    let (_, recovered) = try_open(&disk.crash_image(1), roomy()).unwrap();
    assert!(recovered.last >= Some(log_id(1)));
}

#[test]
fn a_write_that_finds_no_room_can_be_tried_again() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    place(&wal, &entry(1, LARGE)).unwrap();
    let (mut two, mut three) = (placed(&wal, &entry(2, LARGE)), placed(&wal, &entry(3, LARGE)));
    disk.fail(Operation::Write, 1, std::io::ErrorKind::StorageFull);
    assert!(matches!(two.write(), Err(Error::DiskFull { .. })));
    assert_eq!(three.write().unwrap().upto, Some(1));
    assert_eq!(two.write().unwrap().upto, Some(3));
    let (after, _) = try_open(&disk.crash(), roomy()).unwrap();
    assert_eq!(entries(&after, |n| entry(n, LARGE)), [1, 2, 3]);
}

#[test]
fn a_place_that_is_not_written_to_stops_the_log() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    drop(placed(&wal, &entry(1, 10)));
    assert!(matches!(place(&wal, &entry(2, 10)), Err(Error::Stopped { .. })));
}

#[test]
fn what_waits_in_the_page_cache_is_synced_first() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    append(&wal, &entry(1, 10)).unwrap();
    append(&wal, &entry(2, 10)).unwrap();
    assert_eq!(place(&wal, &entry(3, 10)).unwrap().upto, Some(3));
    append(&wal, &entry(4, 10)).unwrap();
    let (after, _) = try_open(&disk.crash_image(7), roomy()).unwrap();
    assert!(entries(&after, |n| entry(n, 10)).starts_with(&[1, 2, 3]));
    assert_eq!(wal.sync().unwrap().upto, Some(4));
}

#[test]
fn a_truncation_waits_for_what_is_on_its_way() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    let (mut one, mut two) = (placed(&wal, &entry(1, LARGE)), placed(&wal, &entry(2, LARGE)));
    let truncates = std::thread::spawn({
        let wal = wal.clone();
        move || wal.truncate_since(2)
    });
    two.write().unwrap();
    one.write().unwrap();
    truncates.join().unwrap().unwrap();
    let rewritten = |n| entry(n, if n == 2 { 300 } else { LARGE });
    assert_eq!(place(&wal, &rewritten(2)).unwrap().upto, Some(2));
    assert_eq!(entries(&wal, rewritten), [1, 2]);
    let (after, _) = try_open(&disk.crash(), roomy()).unwrap();
    assert_eq!(entries(&after, rewritten), [1, 2]);
}

#[test]
fn what_is_read_from_the_files_goes_through_the_page_cache() {
    let disk = SimDisk::new(1);
    let (wal, _) = open(&disk);
    assert!(!wal.prefers_placing(), "there is no file yet that could be asked");
    append(&wal, &one_record(1, b"first")).unwrap();
    wal.sync().unwrap();
    index(&wal, &one_record(1, b"first"));
    for n in 2..=40 {
        assert!(wal.prefers_placing());
        place(&wal, &one_record(n, b"more")).unwrap();
        index(&wal, &one_record(n, b"more"));
    }
    assert_eq!(hot_offsets(&wal, 0).len(), 40);
    assert_eq!(hot_offsets(&wal, 0).len(), 40);
    assert!(!wal.prefers_placing());
    let always = Options { direct_writes: DirectWrites::Always, ..options() };
    let (wal, _) = try_open(&disk, always).unwrap();
    hot_offsets(&wal, 0);
    hot_offsets(&wal, 0);
    assert!(wal.prefers_placing());
    let never = Options { direct_writes: DirectWrites::Never, ..options() };
    assert!(!try_open(&disk, never).unwrap().0.prefers_placing());
}

#[test]
fn what_the_page_cache_would_not_have_either_is_read_past_it() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    for n in 1..=40 {
        place(&wal, &entry(n, LARGE)).unwrap();
        index(&wal, &entry(n, LARGE));
    }
    wal.checkpoint_index(40).unwrap();
    let read_old = |wal: &Wal| {
        wal.trim_page_cache();
        for offset in 0..30 {
            assert_eq!(wal.hot().read(support::partition(0), offset, 1, true).unwrap().batches.len(), 1);
        }
    };
    read_old(&wal);
    assert!(wal.prefers_placing());
    drop(wal);
    let (wal, _) = try_open(&disk, roomy()).unwrap();
    (1..=40).for_each(|n| index(&wal, &entry(n, LARGE)));
    read_old(&wal);
    assert!(wal.prefers_placing(), "after a restart neither");
}

/// On the real disk, with readers that have pages of the file in the page cache all the time.
#[test]
fn readers_beside_it_read_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn tidemill_disk::Disk> = Arc::new(tidemill_disk::RealDisk);
    let (wal, _) = Wal::open(disk.clone(), dir.path(), roomy()).unwrap();
    let sized = |n: u64| entry(n, if n.is_multiple_of(3) { LARGE } else { 700 });
    let applied = AtomicU64::new(0);
    const LAST: u64 = 400;
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (wal, applied) = (&wal, &applied);
            scope.spawn(move || {
                let mut random = SimRandom::new(reader);
                while applied.load(Ordering::SeqCst) < LAST {
                    let upto = applied.load(Ordering::SeqCst);
                    if upto > 0 {
                        let n = upto - random.below(upto.min(20));
                        let read = wal.read_entries(n..n + 1, u64::MAX).unwrap();
                        assert!(read[0].payload() == sized(n).payload(), "entry {n}");
                    }
                }
            });
        }
        for n in 1..=LAST {
            if n % 50 < 10 {
                append(&wal, &sized(n)).unwrap();
                wal.sync().unwrap();
            } else {
                place(&wal, &sized(n)).unwrap();
            }
            applied.store(n, Ordering::SeqCst);
        }
    });
    drop(wal);
    let (wal, recovered) = Wal::open(disk, dir.path(), roomy()).unwrap();
    assert_eq!(recovered.last, Some(log_id(LAST)));
    assert_eq!(entries(&wal, sized), (1..=LAST).collect::<Vec<_>>());
}

/// Entries whose write is begun and whose end is told by somebody else.
#[test]
fn placing_says_what_stands_in_the_way_of_a_write_that_waits_for_nothing() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk: Arc<dyn tidemill_disk::Disk> = Arc::new(tidemill_disk::RealDisk);
    let queue = disk.write_queue().unwrap();
    let (wal, _) = Wal::open(disk.clone(), dir.path(), roomy()).unwrap();
    let needed = |n: u64, bytes| entry(n, bytes).frame.frame_bytes() as u64;
    assert_eq!(wal.placing(1, needed(1, 100)), Placing::Blocked, "there is no segment");
    place(&wal, &entry(1, 100)).unwrap();
    assert_eq!(wal.placing(2, needed(2, 100)), Placing::AtOnce);
    assert_eq!(wal.placing(3, needed(3, 100)), Placing::Blocked, "it is not the next one");
    assert_eq!(wal.placing(2, 8 << 20), Placing::Blocked, "the file would have to be longer");

    let mut two = placed(&wal, &entry(2, 100));
    assert_eq!(wal.placing(3, needed(3, 100)), Placing::Behind, "they share a block");
    assert!(two.begin(&queue, 2));
    let ended = std::iter::repeat_with(|| queue.take_ended()).find(|ended| !ended.is_empty()).unwrap();
    assert!(matches!(ended[..], [(2, WriteEnd::Durable)]), "{ended:?}");
    assert_eq!(wal.placing(3, needed(3, 100)), Placing::Behind, "nobody has said yet that it has ended");
    assert_eq!(two.ended(Ok(())).unwrap().upto, Some(2));
    assert!(!two.begin(&queue, 3) && two.ended(Ok(())).is_err(), "it is over");

    let three = placed(&wal, &entry(3, LARGE));
    assert_eq!(wal.placing(4, needed(4, LARGE)), Placing::AtOnce, "it has a block of its own");
    let mut four = placed(&wal, &entry(4, LARGE));
    assert!(three.begin(&queue, 3) && four.begin(&queue, 4));
    assert_eq!(four.ended(Ok(())).unwrap().upto, Some(2), "a gap is before it");
    drop(three);
    assert!(matches!(wal.sync(), Err(Error::Stopped { .. })), "nobody told what became of the third");
    assert_eq!(wal.placing(5, 1), Placing::Blocked);
    drop((queue, wal));

    let (wal, recovered) = Wal::open(disk, dir.path(), roomy()).unwrap();
    assert_eq!(recovered.last, Some(log_id(4)), "both got there, whoever was told");
    append(&wal, &entry(5, 100)).unwrap();
    assert_eq!(wal.placing(6, needed(6, 100)), Placing::Blocked, "something is not synced");
}

#[test]
fn a_write_that_ended_with_an_error_is_the_end_of_the_log() {
    let (wal, _) = try_open(&SimDisk::new(1), roomy()).unwrap();
    place(&wal, &entry(1, 10)).unwrap();
    let mut two = placed(&wal, &entry(2, 10));
    let ended = two.ended(Err(std::io::Error::other("no disk")));
    assert!(matches!(ended, Err(Error::Stopped { reason }) if reason.contains("no disk")));
    assert!(matches!(append(&wal, &entry(3, 10)), Err(Error::Stopped { .. })));
}
