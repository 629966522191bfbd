//! What a simulated disk keeps, loses and refuses.

use std::collections::BTreeSet;
use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Operation, SimDisk};
use crate::{BLOCK_BYTES, Disk, DiskFile};

const DIR: &str = "/d";

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn write(file: &dyn DiskFile, bytes: &[u8], position: u64) {
    file.write_all_at(&[IoSlice::new(bytes)], position).unwrap();
}

/// A file whose name is durable.
fn durable_file(disk: &SimDisk, name: &str) -> Arc<dyn DiskFile> {
    let file = disk.create(&path(name)).unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    file
}

/// What the file may be after a power cut.
fn outcomes(disk: &SimDisk, name: &str) -> BTreeSet<Vec<u8>> {
    (0..2_000).map(|seed| disk.crash_image(seed).contents(&path(name)).unwrap()).collect()
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    write(file.as_ref(), &[1; 3_000], 0);
    file.set_len(2_000).unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, "a"), BTreeSet::from([vec![1; 2_000]]));
}

#[test]
fn unsynced_writes_are_kept_dropped_torn_and_reordered() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    write(file.as_ref(), &[0; 1_536], 0);
    file.sync_data().unwrap();
    write(file.as_ref(), &[1; 1_024], 0);
    write(file.as_ref(), &[2; 1_024], 512);
    let sectors = |content: &Vec<u8>| {
        for sector in content.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "sectors are atomic");
        }
        content.chunks(512).map(|sector| sector[0]).collect::<Vec<_>>()
    };
    let seen: BTreeSet<Vec<u8>> = outcomes(&disk, "a").iter().map(sectors).collect();
    for expected in [[0, 0, 0], [1, 2, 2], [1, 1, 0], [0, 2, 2], [0, 0, 2], [1, 0, 2], [0, 1, 0]] {
        assert!(seen.contains(&expected[..]), "{expected:?} in {seen:?}");
    }
    assert!(seen.iter().all(|content| content[2] != 1 && content[0] != 2));
}

#[test]
fn an_unsynced_length_may_survive_without_its_bytes() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    write(file.as_ref(), &[7; 600], 0);
    let seen = outcomes(&disk, "a");
    for expected in [vec![], vec![0; 600], vec![7; 600], vec![7; 512], [vec![0; 512], vec![7; 88]].concat()] {
        assert!(seen.contains(&expected), "{} bytes", expected.len());
    }
    file.sync_data().unwrap();
    file.set_len(10).unwrap();
    assert_eq!(outcomes(&disk, "a"), BTreeSet::from([vec![7; 10], vec![7; 600]]));
}

#[test]
fn a_durable_write_survives_whatever_else_is_lost() {
    const BLOCK: usize = BLOCK_BYTES as usize;
    let disk = disk();
    let file = durable_file(&disk, "a");
    file.set_len(3 * BLOCK_BYTES).unwrap();
    file.sync_data().unwrap();
    write(file.as_ref(), &[1; BLOCK], 0);
    file.write_durable(&[IoSlice::new(&[2; BLOCK])], BLOCK_BYTES).unwrap();
    write(file.as_ref(), &[3; BLOCK], 2 * BLOCK_BYTES);
    let seen = outcomes(&disk, "a");
    assert!(seen.len() > 2 && seen.iter().all(|content| content[BLOCK..2 * BLOCK] == [2; BLOCK]));
    file.sync_data().unwrap();
    file.write_durable(&[IoSlice::new(&[4; BLOCK])], 0).unwrap();
    let expected = [[4; BLOCK], [2; BLOCK], [3; BLOCK]].concat();
    assert_eq!(outcomes(&disk, "a"), BTreeSet::from([expected.clone()]));
    disk.crash_after(1);
    assert!(file.write_durable(&[IoSlice::new(&[5; BLOCK])], 0).is_err() && disk.has_crashed());
    let torn = outcomes(&disk, "a");
    assert!(torn.contains(&expected) && torn.len() > 2, "{} outcomes", torn.len());
    assert!(torn.iter().all(|content| content[BLOCK..] == expected[BLOCK..]));
    assert!(self::disk().create(&path("b")).unwrap().write_durable(&[IoSlice::new(b"odd")], 0).is_err());
}

#[test]
fn names_survive_only_with_their_directory_synced() {
    let disk = disk();
    durable_file(&disk, "old");
    disk.create(&path("new")).unwrap();
    disk.rename(&path("new"), &path("renamed")).unwrap();
    disk.remove(&path("old")).unwrap();
    let names = |disk: &SimDisk| disk.list(Path::new(DIR)).unwrap().join(" ");
    let seen: BTreeSet<String> = (0..200).map(|seed| names(&disk.crash_image(seed))).collect();
    let expected = ["", "new", "new old", "old", "old renamed", "renamed"];
    assert_eq!(seen, expected.map(String::from).into());
    disk.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(names(&disk.crash()), "renamed");
}

#[test]
fn one_seed_gives_one_fate() {
    let run = || {
        let disk = disk();
        let file = durable_file(&disk, "a");
        for n in 0..50_u8 {
            write(file.as_ref(), &[n; 700], u64::from(n) * 300);
        }
        disk.crash().contents(&path("a")).unwrap()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_crashed_disk_refuses_everything() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    let after = disk.crash();
    assert!(disk.has_crashed() && !after.has_crashed());
    assert!(file.len().is_err() && file.sync_data().is_err() && file.set_len(0).is_err());
    assert!(file.read_exact_at(&mut [], 0).is_err());
    assert!(file.write_all_at(&[], 0).is_err());
    assert!(disk.open(&path("a")).is_err() && disk.create(&path("b")).is_err());
    assert!(disk.list(Path::new(DIR)).is_err() && disk.sync_dir(Path::new(DIR)).is_err());
    assert!(disk.rename(&path("a"), &path("b")).is_err() && disk.remove(&path("a")).is_err());
    assert!(disk.crash_point("x").is_err() && disk.free_bytes(Path::new(DIR)).is_err());
    assert!(after.open(&path("a")).is_ok());
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let mut lost = 0;
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        disk.create_dir_all(Path::new(DIR)).unwrap();
        let file = durable_file(&disk, "a");
        write(file.as_ref(), b"data", 0);
        disk.fail(Operation::Sync, 1, ErrorKind::Other);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(disk.contents(&path("a")).unwrap(), b"data", "it reads as written");
        lost += u32::from(disk.crash().contents(&path("a")).unwrap() != b"data");
    }
    assert!(lost > 0);
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    disk.set_capacity(Some(10));
    assert_eq!(disk.free_bytes(Path::new(DIR)).unwrap(), 10);
    write(file.as_ref(), &[1; 8], 0);
    let full = file.write_all_at(&[IoSlice::new(&[2; 8])], 4).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.contents(&path("a")).unwrap(), [1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    assert_eq!(file.set_len(11).unwrap_err().kind(), ErrorKind::StorageFull);
    write(file.as_ref(), &[3; 10], 0);
    disk.remove(&path("a")).unwrap();
    assert_eq!(disk.used_bytes(), 10, "still open");
    drop(file);
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn planned_crashes_and_failures_happen_when_planned() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    disk.fail(Operation::Write, 2, ErrorKind::Other);
    write(file.as_ref(), b"1", 0);
    assert_eq!(file.write_all_at(&[IoSlice::new(b"2")], 1).unwrap_err().kind(), ErrorKind::Other);
    write(file.as_ref(), b"3", 1);
    disk.crash_at("here", 2);
    disk.crash_point("elsewhere").unwrap();
    disk.crash_point("here").unwrap();
    assert!(disk.crash_point("here").is_err() && disk.has_crashed());
    assert_eq!(disk.crash_points()["here"], 2);

    let disk = self::disk();
    let file = durable_file(&disk, "a");
    disk.crash_after(3);
    write(file.as_ref(), b"1", 0);
    file.sync_data().unwrap();
    assert!(file.write_all_at(&[IoSlice::new(b"2")], 0).is_err() && disk.has_crashed());
    let seen: BTreeSet<Vec<u8>> =
        (0..50).map(|n| disk.crash_image(n).contents(&path("a")).unwrap()).collect();
    assert_eq!(seen, BTreeSet::from([b"1".to_vec(), b"2".to_vec()]), "the write may have happened");
}

#[test]
fn plans_can_be_dropped_and_operations_slowed_and_counted() {
    let disk = disk();
    let file = durable_file(&disk, "a");
    disk.crash_after(1);
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    disk.clear_faults();
    let before = disk.counts();
    disk.slow(Operation::Sync, Duration::from_millis(5));
    let start = Instant::now();
    write(file.as_ref(), b"12", 0);
    file.sync_data().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(5));
    let counts = disk.counts();
    assert_eq!((counts.writes - before.writes, counts.bytes_written, counts.syncs), (1, 2, 1));
    assert_eq!(counts.dir_syncs, 1);
}
