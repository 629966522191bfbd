//! Segments made of files that were written before: what is in them is the new segment and nothing
//! of the old one, whenever the power fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::PathBuf;

use support::{append, fill, hot_offsets, log_id, one_record, open, options, partition, try_open};
use tidemill_disk::SimDisk;
use tidemill_wal::{Options, Wal};

fn spares(disk: &SimDisk) -> Vec<PathBuf> {
    let is_spare = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("spare-");
    disk.paths().into_iter().filter(is_spare).collect()
}

/// Appends entries up to `last`, then lets all but the newest file go.
fn fill_and_reclaim(wal: &Wal, from: u64, last: u64) {
    fill(wal, from..=last, &[last as u8; 200]);
    wal.checkpoint_index(last).unwrap();
    wal.purge_upto(log_id(last)).unwrap();
    wal.hot().release(partition(0), last as i64);
    assert!(wal.reclaim(last).unwrap().deleted_files > 0);
}

#[test]
fn a_segment_that_goes_becomes_the_next_one() {
    let disk = SimDisk::new(1);
    let (wal, _) = open(&disk);
    fill_and_reclaim(&wal, 1, 60);
    assert_eq!(spares(&disk).len(), 1, "no more than asked for");
    let size = disk.contents(&spares(&disk)[0]).unwrap().len() as u64;
    let usage = wal.usage();
    assert_eq!(usage.total_bytes, usage.files.iter().map(|file| file.bytes).sum::<u64>() + size);
    fill(&wal, 61..=90, b"new");
    assert_eq!(spares(&disk).len(), 0);
    assert_eq!(hot_offsets(&wal, 0), (60..90).collect::<Vec<_>>());
    wal.checkpoint_index(80).unwrap();
    drop(wal);
    let (wal, recovered) = open(&disk);
    assert_eq!(recovered.last, Some(log_id(90)));
    let left = wal.read_entries(61..91, u64::MAX).unwrap();
    assert_eq!(left.len(), 30);
}

#[test]
fn nothing_of_the_old_segment_comes_back_however_the_power_fails() {
    for seed in 0..300 {
        let disk = SimDisk::new(seed);
        let (wal, _) = open(&disk);
        fill_and_reclaim(&wal, 1, 60);
        // Into the spare, and some of it not synced.
        fill(&wal, 61..=61 + seed % 30, &[1; 150]);
        let synced = 61 + seed % 30;
        for n in synced + 1..=synced + 3 {
            append(&wal, &one_record(n, &[2; 150])).unwrap();
        }
        let image = disk.crash_image(seed);
        let (wal, recovered) = open(&image);
        let last = recovered.last.unwrap().index;
        assert!((synced..=synced + 3).contains(&last), "seed {seed}: {last}, synced to {synced}");
        for entry in wal.read_entries(61..last + 1, u64::MAX).unwrap() {
            let value = if entry.log_id.index <= synced { 1 } else { 2 };
            assert_eq!(entry.payload(), one_record(entry.log_id.index, &[value; 150]).payload());
        }
        assert!(spares(&image).is_empty(), "an open removes them");
        fill(&wal, last + 1..=last + 40, b"on");
    }
}

/// Writes what is due.
fn write_spare(wal: &Wal) {
    while wal.is_spare_due() {
        wal.write_spare().unwrap();
    }
}

#[test]
fn a_spare_is_made_for_a_log_that_grows_and_only_then() {
    let disk = SimDisk::new(1);
    let (wal, _) = open(&disk);
    fill(&wal, 1..=1, b"first");
    assert!(!wal.is_spare_due(), "there may never be a second segment");
    fill(&wal, 2..=6, &[3; 300]);
    assert!(wal.is_spare_due(), "the next segment has none");
    write_spare(&wal);
    assert_eq!(spares(&disk).len(), 1);
    fill(&wal, 7..=40, &[3; 300]);
    assert!(spares(&disk).is_empty());
    assert_eq!(hot_offsets(&wal, 0).len(), 40);
    drop(wal);
    let (wal, _) = try_open(&disk, Options { spare_files: 0, ..options() }).unwrap();
    for n in 41..=80 {
        fill(&wal, n..=n, &[3; 300]);
        assert!(!wal.is_spare_due());
    }
}

#[test]
fn spares_go_first_when_room_is_short() {
    let disk = SimDisk::new(1);
    let (wal, _) = open(&disk);
    fill_and_reclaim(&wal, 1, 60);
    assert_eq!(spares(&disk).len(), 1);
    disk.set_capacity(Some(disk.used_bytes()));
    let mut next = 61;
    while append(&wal, &one_record(next, &[5; 200])).is_ok() {
        wal.sync().unwrap();
        next += 1;
        assert!(next < 1_000, "the disk never filled");
    }
    assert!(next > 70 && spares(&disk).is_empty(), "{next}");
    disk.set_capacity(None);
    while spares(&disk).is_empty() {
        fill(&wal, next..=next, b"on");
        write_spare(&wal);
        next += 1;
    }
    assert!(wal.give_up_spares().unwrap() && spares(&disk).is_empty());
    assert!(!wal.give_up_spares().unwrap());
}

#[test]
fn none_is_made_of_the_room_that_is_kept_in_reserve() {
    for (missing, made) in [(1, 0), (0, 1)] {
        let disk = SimDisk::new(1);
        let (wal, _) = try_open(&disk, Options { spare_reserve_bytes: 1 << 20, ..options() }).unwrap();
        fill(&wal, 1..=6, &[3; 400]);
        let room = (1 << 20) + options().segment_bytes - missing;
        disk.set_capacity(Some(disk.used_bytes() + room));
        assert!(wal.is_spare_due());
        wal.write_spare().unwrap();
        assert_eq!(spares(&disk).len(), made);
        assert!(!wal.is_spare_due(), "one that cannot be made is not tried again and again");
    }
}

#[test]
fn one_grows_with_the_second_half_of_the_segment_before_it() {
    let disk = SimDisk::new(1);
    let (wal, _) = try_open(&disk, Options { segment_bytes: 64 << 10, ..options() }).unwrap();
    let spare_bytes = || spares(&disk).first().map_or(0, |path| disk.contents(path).unwrap().len());
    let mut sizes = Vec::new();
    let mut n = 0;
    while wal.usage().files.len() < 2 {
        n += 1;
        fill(&wal, n..=n, &[7; 500]);
        write_spare(&wal);
        sizes.push(spare_bytes());
    }
    assert_eq!(sizes.pop(), Some(0), "the second segment was made of it");
    let begun = sizes.iter().position(|size| *size > 0).unwrap();
    let whole = sizes.iter().position(|size| *size == 64 << 10).unwrap();
    assert!(
        (sizes.len() * 2 / 5..sizes.len() * 3 / 5).contains(&begun),
        "begun at {begun} of {}",
        sizes.len()
    );
    assert!((sizes.len() * 4 / 5..sizes.len()).contains(&whole), "complete at {whole} of {}", sizes.len());
    let half_way = sizes[begun.midpoint(whole)];
    assert!((16 << 10..48 << 10).contains(&half_way), "{half_way}");
    for more in n + 1..=n + sizes.len() as u64 * 3 / 4 {
        fill(&wal, more..=more, &[7; 500]);
        write_spare(&wal);
    }
    let usage = wal.usage();
    let files = usage.files.iter().map(|file| file.bytes).sum::<u64>();
    assert_eq!(usage.total_bytes, files + spare_bytes() as u64, "a part of one counts");
    assert!(spare_bytes() > 0);
    assert!(wal.give_up_spares().unwrap() && spares(&disk).is_empty(), "and goes, too");
}
