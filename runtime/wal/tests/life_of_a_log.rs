//! The log's contract, on the simulated and on the real disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::{
    Entry, append, batch, fill, hot_offsets, index, log_id, one_record, options, partition, read_all,
};
use tidemill_disk::{Disk, RealDisk, SimDisk};
use tidemill_wal::{Error, LogBounds, Options, Recovered, Wal};

/// Opens logs in one place again and again.
struct Place {
    disk: Arc<dyn Disk>,
    dir: std::path::PathBuf,
}

impl Place {
    fn open(&self) -> (Wal, Recovered) {
        self.open_with(options())
    }

    fn open_with(&self, options: Options) -> (Wal, Recovered) {
        Wal::open(Arc::clone(&self.disk), &self.dir, options).unwrap()
    }
}

/// Runs a test on every implementation of the disk.
fn on_every_disk(test: fn(&Place)) {
    test(&Place { disk: Arc::new(SimDisk::new(1)), dir: support::DIR.into() });
    let dir = tempfile::tempdir().unwrap();
    test(&Place { disk: Arc::new(RealDisk), dir: dir.path().join("journal") });
}

fn indexes(wal: &Wal, range: std::ops::Range<u64>, max_bytes: u64) -> Vec<u64> {
    let entries = wal.read_entries(range, max_bytes).unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[test]
fn a_new_log_is_empty() {
    on_every_disk(|place| {
        let (wal, recovered) = place.open();
        assert_eq!(recovered, Recovered::default());
        assert_eq!(wal.bounds(), LogBounds::default());
        assert!(wal.read_entries(0..100, 100).unwrap().is_empty());
        assert!(matches!(wal.hot().read(partition(0), 0, 100, true), Err(Error::NotHot { start: None, .. })));
        assert_eq!(wal.reclaim(100).unwrap().deleted_files, 0);
        wal.sync().unwrap();
        drop(wal);
        assert_eq!(place.open().1, Recovered::default());
    });
}

#[test]
fn entries_read_back_from_cache_and_file_and_after_reopening() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        let entries: Vec<Entry> = (1..=40).map(|n| one_record(n, &[n as u8; 200])).collect();
        for pair in entries.chunks(2) {
            let frames = pair.iter().map(|entry| entry.frame.clone()).collect();
            wal.append(frames, tidemill_wal::Space::Normal).unwrap();
        }
        wal.sync().unwrap();
        let check = |wal: &Wal| {
            let read = wal.read_entries(0..1_000, u64::MAX).unwrap();
            assert_eq!(read.len(), 40);
            for (read, written) in read.iter().zip(&entries) {
                assert_eq!(read.log_id, written.frame.log_id);
                assert_eq!(read.payload(), written.payload());
            }
            assert_eq!(indexes(wal, 3..6, u64::MAX), [3, 4, 5]);
            assert_eq!(indexes(wal, 3..9, 0), [3], "at least one");
            assert_eq!(indexes(wal, 38..99, u64::MAX), [38, 39, 40]);
            assert_eq!(indexes(wal, 38..99, 600), [38, 39]);
        };
        check(&wal);
        assert!(wal.usage().files.len() > 2, "several segments");
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!((recovered.first_index, recovered.last), (Some(1), Some(log_id(40))));
        assert_eq!(recovered.cut, None);
        check(&wal);
        append(&wal, &one_record(41, b"more")).unwrap();
        assert_eq!(indexes(&wal, 40..50, u64::MAX), [40, 41]);
    });
}

#[test]
fn cached_entries_are_the_very_bytes_that_were_appended() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        let entry = one_record(1, b"value");
        append(&wal, &entry).unwrap();
        let read = wal.read_entries(1..2, 0).unwrap();
        let pointers = |parts: &[bytes::Bytes]| parts.iter().map(|part| part.as_ptr()).collect::<Vec<_>>();
        assert_eq!(pointers(&read[0].parts), pointers(&entry.frame.parts));
    });
}

#[test]
fn entries_must_follow_one_another() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        append(&wal, &one_record(5, b"a log may begin anywhere")).unwrap();
        for index in [4, 5, 7] {
            assert!(matches!(append(&wal, &one_record(index, b"")), Err(Error::Misuse { .. })));
        }
        append(&wal, &one_record(6, b"")).unwrap();
        assert_eq!(wal.bounds().last, Some(log_id(6)));
    });
}

#[test]
fn batches_come_back_with_their_offsets_and_epochs() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        let entry = Entry::new(
            tidemill_wal::LogId { term: 9, node_id: 1, index: 1 },
            &[(0, 100, batch(3, b"a", 5)), (1, 7, batch(1, b"b", 6)), (0, 103, batch(2, b"c", 7))],
        );
        append(&wal, &entry).unwrap();
        wal.sync().unwrap();
        index(&wal, &entry);
        let check = |wal: &Wal| {
            let read = wal.hot().read(partition(0), 100, 1 << 20, false).unwrap();
            assert_eq!(read.next, 105);
            let expected = [batch(3, b"a", 5).patched(100, 9), batch(2, b"c", 7).patched(103, 9)];
            assert_eq!(read.batches, expected);
            let middle = wal.hot().read(partition(0), 102, 1, true).unwrap();
            assert_eq!((middle.batches.as_slice(), middle.next), (&expected[..1], 103), "the whole batch");
            assert!(wal.hot().read(partition(0), 102, 1, false).unwrap().batches.is_empty());
            assert!(wal.hot().read(partition(0), 105, 1 << 20, true).unwrap().batches.is_empty());
            let before = wal.hot().read(partition(0), 99, 1, true);
            assert!(matches!(before, Err(Error::NotHot { offset: 99, start: Some(100) })));
            assert_eq!((wal.hot().start(partition(1)), wal.hot().end(partition(1))), (Some(7), Some(8)));
        };
        check(&wal);
        wal.checkpoint_index(1).unwrap();
        check(&wal);
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!(recovered.indexed, Some(1));
        check(&wal);
    });
}

#[test]
fn an_applied_entry_is_indexed_once() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=30, &[1; 300]);
        wal.checkpoint_index(20).unwrap();
        let replay = |wal: &Wal| (1..=30).for_each(|n| index(wal, &one_record(n, &[1; 300])));
        replay(&wal);
        assert_eq!(hot_offsets(&wal, 0), (0..30).collect::<Vec<_>>());
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!(recovered.indexed, Some(20));
        assert_eq!(hot_offsets(&wal, 0), (0..20).collect::<Vec<_>>());
        replay(&wal);
        assert_eq!(hot_offsets(&wal, 0), (0..30).collect::<Vec<_>>());
        let total: u64 = (1..=30).map(|n| one_record(n, &[1; 300]).batches[0].1.size_bytes() as u64).sum();
        assert_eq!(wal.usage().live_bytes, total);
    });
}

#[test]
fn timestamps_find_the_first_batch_that_reaches_them() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=30, &[1; 300]); // offset n has timestamp 1000 + n
        let find = |wal: &Wal, timestamp| {
            wal.hot().offset_for_timestamp(partition(0), timestamp).unwrap().map(|hit| hit.base_offset)
        };
        for _ in 0..2 {
            assert_eq!(find(&wal, 0), Some(0));
            assert_eq!(find(&wal, 1_011), Some(11));
            assert_eq!(find(&wal, 1_029), Some(29));
            assert_eq!(find(&wal, 1_030), None);
            assert_eq!(wal.hot().max_timestamp(partition(0)).unwrap().unwrap().base_offset, 29);
            wal.checkpoint_index(30).unwrap(); // the same from footers
        }
        wal.hot().release(partition(0), 12);
        assert_eq!(find(&wal, 1_011), Some(12));
        wal.hot().release(partition(0), 30);
        assert_eq!(find(&wal, 0), None);
        assert_eq!(wal.hot().max_timestamp(partition(0)).unwrap(), None);
    });
}

#[test]
fn truncated_entries_are_gone_for_good() {
    on_every_disk(|place| {
        for since in [25, 20, 14, 6, 1] {
            let (wal, _) = place.open();
            let next = wal.bounds().last.map_or(1, |last| last.index + 1);
            for n in next..=30 {
                append(&wal, &one_record(n, &[since as u8; 300])).unwrap();
            }
            wal.truncate_since(31).unwrap();
            assert_eq!(indexes(&wal, 29..40, 900), [29, 30]);
            wal.truncate_since(since).unwrap();
            assert_eq!(wal.bounds().last, (since > 1).then(|| log_id(since - 1)));
            assert!(wal.read_entries(since..40, 9_000).unwrap().is_empty());
            drop(wal);
            let (wal, recovered) = place.open();
            assert_eq!(recovered.last, (since > 1).then(|| log_id(since - 1)));
            assert_eq!(recovered.cut, None);
            let next = Entry::new(tidemill_wal::LogId { term: 2, node_id: 3, index: since }, &[]);
            append(&wal, &next).unwrap();
            wal.truncate_since(since).unwrap();
        }
    });
}

#[test]
fn applied_and_purged_entries_are_not_truncated() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=30, &[1; 300]);
        wal.checkpoint_index(30).unwrap();
        assert!(matches!(wal.truncate_since(2), Err(Error::Misuse { .. })), "the file has a footer");
        wal.purge_upto(log_id(29)).unwrap();
        assert!(matches!(wal.truncate_since(29), Err(Error::Misuse { .. })));
        assert_eq!(indexes(&wal, 0..99, 9_999), [30]);
        assert_eq!(hot_offsets(&wal, 0).len(), 30, "purging leaves the batches");
    });
}

#[test]
fn votes_survive() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        assert_eq!(wal.read_vote(), None);
        wal.save_vote(b"first").unwrap();
        wal.save_vote(b"second").unwrap();
        assert_eq!(wal.read_vote().unwrap(), b"second");
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!(recovered.vote.unwrap(), b"second");
        assert_eq!(wal.read_vote().unwrap(), b"second");
    });
}

#[test]
fn released_files_are_deleted_up_to_the_checkpoint_and_the_purge_position() {
    on_every_disk(|place| {
        let (wal, _) = place.open_with(Options { spare_files: 0, ..options() });
        fill(&wal, 1..=60, &[1; 300]);
        let files = wal.usage().files.len();
        wal.hot().release(partition(0), 60);
        wal.checkpoint_index(60).unwrap();
        assert_eq!(wal.reclaim(60).unwrap().deleted_files, 0, "nothing is purged");
        wal.purge_upto(log_id(60)).unwrap();
        assert_eq!(wal.reclaim(5).unwrap().deleted_files, 0, "the checkpoint is older than every file");
        let before = wal.usage().total_bytes;
        let done = wal.reclaim(60).unwrap();
        assert_eq!(done.deleted_files as usize, files - 1, "all but the active file");
        assert_eq!(wal.usage().total_bytes, before - done.deleted_bytes);
        assert_eq!(wal.usage().live_bytes, 0);
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!((recovered.first_index, recovered.last), (None, Some(log_id(60))));
        assert_eq!(recovered.purged, Some(log_id(60)));
        fill(&wal, 61..=62, b"on it goes");
        wal.hot().release(partition(0), 60);
        assert_eq!(hot_offsets(&wal, 0), [60, 61]);
    });
}

#[test]
fn a_gap_left_by_a_snapshot_is_not_stepped_over() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=5, b"old"); // offsets 0 to 4
        wal.purge_upto(log_id(100)).unwrap();
        fill(&wal, 101..=103, b"new"); // offsets 100 to 102
        let read = wal.hot().read(partition(0), 3, 1 << 20, true).unwrap();
        assert_eq!((read.batches.len(), read.next), (2, 5));
        let gap = wal.hot().read(partition(0), 5, 1 << 20, true);
        assert!(matches!(gap, Err(Error::NotHot { offset: 5, start: Some(100) })));
        assert_eq!(wal.hot().read(partition(0), 100, 1 << 20, true).unwrap().batches.len(), 3);
    });
}

#[test]
fn a_log_may_begin_at_index_0() {
    let entry = |index: u64| Entry::new(log_id(index), &[(0, index as i64, batch(1, b"value", 0))]);
    for name in ["segment:unnamed", "segment:created", "append:written", "append:synced"] {
        let disk = SimDisk::new(1);
        let (wal, _) = support::open(&disk);
        disk.crash_at(name, 1);
        assert!(append(&wal, &entry(0)).and_then(|()| wal.sync()).is_err());
        let disk = disk.crash();
        let (wal, recovered) = support::open(&disk);
        assert!(recovered.last.is_none_or(|last| last.index == 0));
        if recovered.last.is_none() {
            append(&wal, &entry(0)).unwrap();
        }
        index(&wal, &entry(0));
        wal.checkpoint_index(0).unwrap();
        append(&wal, &entry(1)).unwrap();
        wal.truncate_since(1).unwrap();
        assert!(matches!(wal.truncate_since(0), Err(Error::Misuse { .. })));
        let (wal, recovered) = support::open(&disk);
        assert_eq!((recovered.first_index, recovered.last), (Some(0), Some(log_id(0))));
        assert_eq!(recovered.indexed, Some(0));
        assert_eq!(hot_offsets(&wal, 0), [0]);
        wal.purge_upto(log_id(0)).unwrap();
        append(&wal, &entry(1)).unwrap();
        assert_eq!(indexes(&wal, 0..9, 9_999), [1]);
        assert_eq!(wal.usage().files.len(), 1);
    }
}

#[test]
fn the_log_jumps_to_an_installed_snapshot() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=5, b"old");
        wal.purge_upto(log_id(100)).unwrap();
        assert_eq!(wal.bounds().last, Some(log_id(100)));
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!((recovered.last, recovered.purged), (Some(log_id(100)), Some(log_id(100))));
        assert!(matches!(append(&wal, &one_record(6, b"")), Err(Error::Misuse { .. })));
        fill(&wal, 101..=103, b"new");
        wal.checkpoint_index(103).unwrap();
        drop(wal);
        let (wal, recovered) = place.open();
        assert_eq!((recovered.first_index, recovered.last), (Some(101), Some(log_id(103))));
        assert_eq!(indexes(&wal, 0..200, 9_999), [101, 102, 103]);
        wal.hot().release(partition(0), 100);
        assert!(wal.reclaim(103).unwrap().deleted_files >= 1);
        drop(wal);
        assert_eq!(place.open().1.last, Some(log_id(103)));
    });
}

/// One idle partition with two old batches beside a busy one.
fn fill_beside_idle(wal: &Wal, indexes: std::ops::RangeInclusive<u64>) {
    for n in indexes {
        let offset = n as i64 - 1;
        let mut appends = vec![(0, offset, batch(1, &[7; 300], offset))];
        if n == 2 || n == 25 {
            appends.push((1, i64::from(n != 2), batch(1, b"idle", n as i64)));
        }
        let entry = Entry::new(log_id(n), &appends);
        append(wal, &entry).unwrap();
        wal.sync().unwrap();
        index(wal, &entry);
    }
}

#[test]
fn an_idle_partition_is_copied_forward() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill_beside_idle(&wal, 1..=60);
        wal.checkpoint_index(60).unwrap();
        wal.purge_upto(log_id(60)).unwrap();
        let idle = read_all(&wal, 1);
        assert_eq!(idle.len(), 2);
        wal.hot().release(partition(0), 60);
        let done = wal.reclaim(60).unwrap();
        assert!(done.relocated_bytes > 0 && done.deleted_files > 3, "{done:?}");
        let usage = wal.usage();
        assert_eq!(usage.files.len(), 2, "a relocation file and the active one: {usage:?}");
        assert_eq!(usage.live_bytes, idle.iter().map(|batch| batch.size_bytes() as u64).sum::<u64>());
        assert_eq!(read_all(&wal, 1), idle);
        let pins = wal.pins(1);
        assert_eq!((pins.len(), pins[0].partition, pins[0].start), (1, partition(1), 0));
        drop(wal);
        let (wal, _) = place.open();
        wal.hot().release(partition(0), 60);
        assert_eq!(read_all(&wal, 1), idle);
        assert_eq!(wal.hot().partitions(), [partition(1)]);
        wal.hot().forget(partition(1));
        assert!(wal.hot().partitions().is_empty());
        assert_eq!(wal.reclaim(60).unwrap().deleted_files, 1);
        drop(wal);
        assert!(!place.open().0.hot().partitions().contains(&partition(1)));
    });
}

#[test]
fn many_small_relocation_files_become_one() {
    on_every_disk(|place| {
        let (wal, _) = place.open_with(Options { relocate_above_bytes: 0, ..options() });
        let mut most = 0;
        for round in 0..30_u64 {
            let first = round * 20 + 1;
            for n in first..first + 20 {
                let mut appends = vec![(0, n as i64, batch(1, &[7; 300], 0))];
                if n == first {
                    appends.push((1, round as i64, batch(1, b"idle", n as i64)));
                }
                let entry = Entry::new(log_id(n), &appends);
                append(&wal, &entry).unwrap();
                index(&wal, &entry);
            }
            wal.sync().unwrap();
            wal.checkpoint_index(first + 19).unwrap();
            wal.purge_upto(log_id(first + 19)).unwrap();
            wal.hot().release(partition(0), first as i64 + 19);
            wal.reclaim(first + 19).unwrap();
            most = most.max(wal.usage().files.len());
        }
        assert!(most <= 14, "{most} files");
        let expected: Vec<i64> = (0..30).collect();
        assert_eq!(hot_offsets(&wal, 1), expected);
        drop(wal);
        assert_eq!(hot_offsets(&place.open().0, 1), expected);
    });
}

#[test]
fn a_log_of_another_journal_is_refused() {
    on_every_disk(|place| {
        let (wal, _) = place.open();
        fill(&wal, 1..=1, b"");
        drop(wal);
        let other = Options { journal_id: 8, ..options() };
        let error = Wal::open(Arc::clone(&place.disk), Path::new(&place.dir), other).err().unwrap();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    });
}
