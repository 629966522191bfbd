//! Files of each format version, as the first release to have it wrote them, are still read; and the same calls
//! still write the same bytes. Version 2 differs from 1 in frames that are followed by padding. `TIDEMILL_BLESS=1` writes them anew: only for a new format version.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::{Path, PathBuf};

use support::{
    Entry, append, batch, hot_offsets, index, log_id, open, options, partition, place, read_all, try_open,
};
use tidemill_disk::SimDisk;
use tidemill_wal::{LogId, Options};

fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

fn entry(n: u64) -> Entry {
    let id = LogId { term: 1 + n / 20, node_id: 3, index: n };
    let mut appends = vec![(0, n as i64 * 2, batch(2, &[n as u8; 200], 1_700_000_000_000 + n as i64))];
    if n == 2 {
        appends.push((1, 5, batch(1, b"idle", 1_700_000_000_000)));
    }
    Entry::new(id, &appends)
}

/// A log with every kind of file and frame.
fn written_now() -> SimDisk {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, Options { spare_files: 0, ..options() }).unwrap();
    for n in 1..=45 {
        append(&wal, &entry(n)).unwrap();
        wal.sync().unwrap();
        index(&wal, &entry(n));
    }
    wal.checkpoint_index(40).unwrap();
    wal.save_vote(b"a vote").unwrap();
    wal.purge_upto(entry(30).frame.log_id).unwrap();
    wal.hot().release(partition(0), 50);
    wal.reclaim(40).unwrap();
    wal.checkpoint_index(44).unwrap();
    disk
}

fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    disk.paths().iter().map(|path| (name(path), disk.contents(path).unwrap())).collect()
}

/// Compares the files with those of a version.
fn check_written(version: &str, now: &[(String, Vec<u8>)]) {
    let golden = golden(version);
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        std::fs::create_dir_all(&golden).unwrap();
        for (name, content) in now {
            std::fs::write(golden.join(name), content).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(&golden).unwrap().count(), now.len());
    for (name, content) in now {
        assert!(std::fs::read(golden.join(name)).unwrap() == *content, "{name} differs");
    }
}

/// A disk with the files of a version.
fn stored(version: &str) -> SimDisk {
    let disk = SimDisk::new(1);
    for file in std::fs::read_dir(golden(version)).unwrap() {
        let path = file.unwrap().path();
        let place = Path::new(support::DIR).join("wal").join(path.file_name().unwrap());
        disk.plant(&place, std::fs::read(path).unwrap());
    }
    disk
}

#[test]
fn the_same_calls_write_the_same_bytes() {
    let now = files(&written_now());
    let kinds: Vec<&str> = now.iter().filter_map(|(name, _)| name.rsplit('.').next()).collect();
    for kind in ["hot", "idx", "wal", "purged", "vote"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    check_written("v1", &now);
}

#[test]
fn files_of_version_1_are_read() {
    let (wal, recovered) = open(&stored("v1"));
    assert_eq!(recovered.last, Some(entry(45).frame.log_id));
    assert_eq!(recovered.purged, Some(entry(30).frame.log_id));
    assert_eq!(recovered.vote.as_deref(), Some(&b"a vote"[..]));
    assert_eq!((recovered.first_index, recovered.indexed, recovered.cut), (Some(31), Some(44), None));
    for (read, n) in wal.read_entries(0..100, u64::MAX).unwrap().iter().zip(31..) {
        assert_eq!((read.log_id, read.payload()), (entry(n).frame.log_id, entry(n).payload().into()));
    }
    wal.hot().release(partition(0), 50);
    assert_eq!(hot_offsets(&wal, 0), (25..=44).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!(hot_offsets(&wal, 1), [5]);
    assert_eq!(read_all(&wal, 1)[0], batch(1, b"idle", 1_700_000_000_000).patched(5, 1));
    append(&wal, &Entry::new(LogId { index: 46, ..log_id(0) }, &[])).unwrap();
}

/// Entries 2 to 5 were written past the page cache, of which 3 was large enough to be filled up.
fn direct_entry(n: u64) -> Entry {
    let bytes = if n == 3 { 65_000 } else { 30 * n as usize };
    Entry::new(log_id(n), &[(0, n as i64, batch(1, &vec![n as u8; bytes], 1_700_000_000_000))])
}

fn direct_options() -> Options {
    Options { segment_bytes: 1 << 20, spare_files: 0, ..options() }
}

#[test]
fn the_same_direct_writes_write_the_same_bytes() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, direct_options()).unwrap();
    append(&wal, &direct_entry(1)).unwrap();
    (2..=5).for_each(|n| assert_eq!(place(&wal, &direct_entry(n)).unwrap().upto, Some(n)));
    append(&wal, &direct_entry(6)).unwrap();
    check_written("v2", &files(&disk));
}

#[test]
fn files_of_version_2_are_read() {
    let (wal, recovered) = try_open(&stored("v2"), direct_options()).unwrap();
    assert_eq!((recovered.last, recovered.cut), (Some(log_id(6)), None));
    let read = wal.read_entries(0..100, u64::MAX).unwrap();
    assert_eq!(read.len(), 6);
    for (read, n) in read.iter().zip(1..) {
        assert_eq!((read.log_id, read.payload()), (log_id(n), direct_entry(n).payload().into()));
        index(&wal, &direct_entry(n));
    }
    assert_eq!(hot_offsets(&wal, 0), [1, 2, 3, 4, 5, 6]);
}
