//! Every byte of every file changed, and files missing: reported or cut, never a panic, never other
//! bytes than were written.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::{Path, PathBuf};

use support::{Entry, append, batch, fill, log_id, open, options, partition, try_open};
use tidemill_disk::SimDisk;
use tidemill_wal::{Error, Recovered, Wal};

/// The checkpoint of the index: a journal opens nothing that is indexed less far.
const INDEXED: u64 = 34;
/// The first offset of partition 0 that is not released.
const UNRELEASED: i64 = 18;

/// A log with every kind of file, everything synced: entries 1 to 40, the last 2 synced together.
fn log_with_every_file() -> (SimDisk, Vec<Entry>) {
    let disk = SimDisk::new(3);
    let (wal, _) = open(&disk);
    let entries: Vec<Entry> = (1..=40_u64)
        .map(|n| {
            let mut appends = vec![(0, n as i64 - 1, batch(1, &[n as u8; 300], n as i64))];
            if n == 3 {
                appends.push((1, 0, batch(2, b"idle", 3)));
            }
            Entry::new(log_id(n), &appends)
        })
        .collect();
    let apply = |entry: &Entry| support::index(&wal, entry);
    for entry in &entries[..38] {
        append(&wal, entry).unwrap();
        wal.sync().unwrap();
    }
    entries[..35].iter().for_each(apply);
    wal.checkpoint_index(32).unwrap();
    wal.purge_upto(log_id(20)).unwrap();
    wal.hot().release(partition(0), UNRELEASED);
    assert!(wal.reclaim(32).unwrap().relocated_bytes > 0);
    wal.checkpoint_index(INDEXED).unwrap();
    append(&wal, &entries[38]).unwrap();
    append(&wal, &entries[39]).unwrap();
    wal.sync().unwrap();
    wal.save_vote(b"vote").unwrap();
    (disk, entries)
}

fn extension(path: &Path) -> String {
    path.extension().map_or_else(String::new, |extension| extension.to_string_lossy().into_owned())
}

/// Reads all there is: anything that reads must be as written, and nothing that was applied and not
/// released may be missing without a word.
fn check_reads(wal: &Wal, entries: &[Entry], recovered: &Recovered) {
    let from = wal.bounds().purged.map_or(0, |purged| purged.index) + 1;
    for index in from..=recovered.last.map_or(0, |last| last.index) {
        match wal.read_entries(index..index + 1, u64::MAX) {
            Ok(read) => assert_eq!(read[0].payload(), entries[index as usize - 1].payload()),
            Err(error) => assert!(matches!(error, Error::Corrupt { .. }), "{error}"),
        }
    }
    let indexed = recovered.indexed.filter(|indexed| *indexed >= INDEXED);
    let batches = entries.iter().flat_map(|entry| &entry.batches);
    for (hot, written) in batches {
        let is_needed = hot.partition == partition(1) || hot.base_offset >= UNRELEASED;
        let must_be_there = is_needed && indexed.is_some_and(|indexed| hot.entry_index <= indexed);
        match wal.hot().read(hot.partition, hot.base_offset, 0, true) {
            Ok(read) => match read.batches.first().filter(|read| read.base_offset() == hot.base_offset) {
                Some(batch) => assert_eq!(*batch, written.patched(hot.base_offset, hot.leader_epoch)),
                None => assert!(!must_be_there, "{hot:?} is not found"),
            },
            Err(Error::Corrupt { .. }) => {}
            Err(Error::NotHot { .. }) => assert!(!must_be_there, "{hot:?} is not found"),
            Err(error) => panic!("{error}"),
        }
        let by_time = wal.hot().offset_for_timestamp(hot.partition, hot.max_timestamp_ms);
        assert!(matches!(by_time, Ok(_) | Err(Error::Corrupt { .. })));
    }
    wal.reclaim(32).unwrap();
}

#[test]
fn a_changed_byte_is_reported_or_cut() {
    let (disk, entries) = log_with_every_file();
    let paths = disk.paths();
    for kind in ["wal", "hot", "idx", ""] {
        assert!(paths.iter().any(|path| extension(path) == kind), "a file of kind {kind:?} in {paths:?}");
    }
    let newest = paths.iter().rfind(|path| extension(path) == "wal").unwrap().clone();
    for path in &paths {
        let content = disk.contents(path).unwrap();
        for at in 0..content.len() {
            let image = disk.crash_image(0);
            let mut changed = content.clone();
            changed[at] ^= 1 << (at % 8);
            image.plant(path, changed);
            match try_open(&image, options()) {
                Err(Error::Corrupt { file, .. }) => assert!(!file.is_empty()),
                Err(other) => panic!("{other}"),
                Ok((wal, recovered)) => {
                    let last = recovered.last.unwrap().index;
                    // Only the last sync of the newest file may pass for a torn write.
                    assert!(last >= if *path == newest { 38 } else { 40 }, "{path:?} {at}: {last}");
                    check_reads(&wal, &entries, &recovered);
                }
            }
        }
    }
}

#[test]
fn a_file_cut_short_is_reported_or_cut() {
    let (disk, entries) = log_with_every_file();
    for path in disk.paths() {
        let content = disk.contents(&path).unwrap();
        for len in (0..content.len()).step_by(7) {
            let image = disk.crash_image(0);
            image.plant(&path, content[..len].to_vec());
            match try_open(&image, options()) {
                Err(Error::Corrupt { .. }) => {}
                Err(other) => panic!("{other}"),
                Ok((wal, recovered)) => check_reads(&wal, &entries, &recovered),
            }
        }
    }
}

/// The first section of `file` is rotten, or the first batch of it.
fn rot(disk: &SimDisk, file: &str, needle: &[u8]) {
    let path = PathBuf::from("/journal/wal").join(file);
    let mut content = disk.contents(&path).unwrap();
    let at = content.windows(needle.len()).position(|window| window == needle).unwrap();
    content[at + needle.len() / 2] ^= 0x10;
    disk.plant(&path, content);
}

#[test]
fn a_rotten_batch_keeps_its_file_and_no_other() {
    let disk = SimDisk::new(5);
    let (wal, _) = open(&disk);
    // Each file has a batch of a partition that is never released, to be moved when the rest goes.
    for n in 1..=60_u64 {
        let mut appends = vec![(0, n as i64 - 1, batch(1, &[n as u8; 300], n as i64))];
        if n % 10 == 1 {
            appends.push((1, n as i64 / 10, batch(1, &[n as u8 + 100; 40], n as i64)));
        }
        let entry = Entry::new(log_id(n), &appends);
        append(&wal, &entry).unwrap();
        wal.sync().unwrap();
        support::index(&wal, &entry);
    }
    wal.checkpoint_index(60).unwrap();
    drop(wal);
    rot(&disk, "00000000000000000001.wal", &[101; 40]);
    let (wal, _) = open(&disk);
    let before = wal.usage().files.len();
    wal.purge_upto(log_id(50)).unwrap();
    wal.hot().release(partition(0), 50);
    let reclaimed = wal.reclaim(60).unwrap();
    assert!(reclaimed.deleted_files > 1 && reclaimed.relocated_bytes > 0, "{reclaimed:?} of {before} files");
    assert!(
        disk.contents(&PathBuf::from("/journal/wal/00000000000000000001.wal")).is_ok(),
        "it is still needed"
    );
    let lost = wal.hot().read(partition(1), 0, 0, true);
    assert!(matches!(lost, Err(Error::Corrupt { .. })), "{lost:?}");
    for n in 1..6 {
        assert_eq!(wal.hot().read(partition(1), n, 0, true).unwrap().batches[0].base_offset(), n);
    }
}

#[test]
fn a_missing_segment_is_reported() {
    let (disk, _) = log_with_every_file();
    let segments: Vec<PathBuf> = disk.paths().into_iter().filter(|path| extension(path) == "wal").collect();
    for (nth, path) in segments.iter().enumerate() {
        let image = disk.crash_image(0);
        tidemill_disk::Disk::remove(&image, path).unwrap();
        match try_open(&image, options()) {
            Err(Error::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
            // All of the first was purged; the newest has nothing that was applied.
            Ok((_, recovered)) => {
                let purged = nth == 0 && recovered.first_index == Some(21);
                let unapplied = nth + 1 == segments.len() && recovered.last >= Some(log_id(34));
                assert!(purged || unapplied, "{path:?} {recovered:?}");
            }
        }
    }
}

#[test]
fn a_frame_inside_a_records_bytes_passes_for_nothing() {
    // A client that has seen a log file sends its bytes as a record, then the power fails.
    let disk = SimDisk::new(1);
    let wal = support::filled(&disk, 2, b"value");
    let stolen = disk.contents(&PathBuf::from("/journal/wal/00000000000000000001.wal")).unwrap();
    for entry_index in [3, 4, 5] {
        append(&wal, &support::one_record(entry_index, &stolen)).unwrap();
    }
    for seed in 0..100 {
        let image = disk.crash_image(seed);
        let (wal, recovered) = open(&image);
        let last = recovered.last.unwrap().index;
        fill(&wal, last + 1..=last + 1, b"");
    }
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let disk = SimDisk::new(1);
    drop(support::filled(&disk, 2, b"value"));
    let note = PathBuf::from("/journal/wal/README");
    disk.plant(&note, b"hello".to_vec());
    disk.plant(&PathBuf::from("/journal/wal/x.tmp"), b"left over".to_vec());
    let (_, recovered) = open(&disk);
    assert_eq!(recovered.last, Some(log_id(2)));
    let names: Vec<_> = disk.paths().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["00000000000000000001.wal", "README"]);
}

/// A release that does not know what a later one writes must not take it for torn.
#[test]
fn a_frame_of_a_later_release_is_reported_and_not_cut() {
    const FRAME: usize = 68;
    let disk = SimDisk::new(1);
    let (wal, _) = open(&disk);
    append(&wal, &Entry::new(log_id(1), &[(0, 0, batch(1, b"value", 1))])).unwrap();
    wal.sync().unwrap();
    drop(wal);
    let path = disk.paths().into_iter().find(|path| extension(path) == "wal").unwrap();
    let mut content = disk.contents(&path).unwrap();
    content[FRAME + 4] = 3; // the format's version
    let salt = content[24..32].to_vec();
    let checked = [&salt[..], &(FRAME as u64).to_le_bytes(), &content[FRAME..FRAME + 48]].concat();
    content[FRAME + 48..FRAME + 52].copy_from_slice(&crc32c::crc32c(&checked).to_le_bytes());
    disk.plant(&path, content.clone());
    let Err(Error::Corrupt { position, reason, .. }) = try_open(&disk, options()) else {
        panic!("it was opened")
    };
    assert_eq!((position, reason.contains("not known to this release")), (FRAME as u64, true), "{reason}");
    assert_eq!(disk.contents(&path).unwrap(), content);
}
