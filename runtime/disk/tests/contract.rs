//! What every implementation of the disk has to do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use tidemill_disk::{BLOCK_BYTES, Disk, DiskFile, RealDisk, SimDisk};

/// Runs a test in an empty directory of every implementation.
fn on_every_disk(test: fn(&dyn Disk, &Path)) {
    let sim = SimDisk::new(1);
    let root = PathBuf::from("/data/journals/1");
    sim.create_dir_all(&root).unwrap();
    test(&sim, &root);

    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("journals/1");
    RealDisk.create_dir_all(&root).unwrap();
    test(&RealDisk, &root);
}

fn write(file: &dyn DiskFile, bytes: &[u8], position: u64) {
    file.write_all_at(&[IoSlice::new(bytes)], position).unwrap();
}

fn read(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn durable_writes_of_whole_blocks_read_back_beside_others() {
    on_every_disk(|disk, root| {
        const BLOCK: usize = BLOCK_BYTES as usize;
        let file = disk.create(&root.join("a")).unwrap();
        file.allocate(1_000 * BLOCK_BYTES).unwrap();
        write(file.as_ref(), &[1; 2 * BLOCK], 0);
        file.sync_data().unwrap();
        // In odd parts, and larger than what is copied at a time.
        let parts: Vec<Vec<u8>> = (1..=600_usize).map(|n| vec![n as u8; 10 * n]).collect();
        let len: usize = parts.iter().map(Vec::len).sum();
        let zeros = vec![0; len.next_multiple_of(BLOCK) - len];
        let slices: Vec<IoSlice<'_>> = parts.iter().chain([&zeros]).map(|part| IoSlice::new(part)).collect();
        read(file.as_ref()); // has it in the page cache
        std::thread::scope(|scope| {
            scope.spawn(|| file.write_durable(&slices, BLOCK_BYTES).unwrap());
            scope.spawn(|| file.write_durable(&[IoSlice::new(&[7; BLOCK])], 900 * BLOCK_BYTES).unwrap());
        });
        let mut expected = vec![0; 1_000 * BLOCK];
        expected[..BLOCK].fill(1);
        let content = parts.concat();
        expected[BLOCK..BLOCK + len].copy_from_slice(&content);
        expected[900 * BLOCK..901 * BLOCK].fill(7);
        assert!(read(file.as_ref()) == expected);
        write(file.as_ref(), b"over it", BLOCK_BYTES);
        expected[BLOCK..BLOCK + 7].copy_from_slice(b"over it");
        assert!(read(file.as_ref()) == expected);
        file.write_durable(&[], 0).unwrap();
    });
}

#[test]
fn files_are_created_once_and_opened_if_they_exist() {
    on_every_disk(|disk, root| {
        let path = root.join("a");
        assert_eq!(disk.open(&path).err().unwrap().kind(), ErrorKind::NotFound);
        let file = disk.create(&path).unwrap();
        assert_eq!(disk.create(&path).err().unwrap().kind(), ErrorKind::AlreadyExists);
        write(file.as_ref(), b"shared", 0);
        assert_eq!(read(disk.open(&path).unwrap().as_ref()), b"shared");
        let lost = disk.create(&root.join("no such dir/a"));
        assert_eq!(lost.err().unwrap().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn writes_of_many_parts_land_one_after_another() {
    on_every_disk(|disk, root| {
        let file = disk.create(&root.join("a")).unwrap();
        let parts: Vec<Vec<u8>> = (0..3_000_usize).map(|n| vec![n as u8; n % 5]).collect();
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        file.write_all_at(&slices, 3).unwrap();
        let expected = [vec![0; 3], parts.concat()].concat();
        assert_eq!(read(file.as_ref()), expected);
        file.write_all_at(&[], 0).unwrap();
        file.write_all_at(&[IoSlice::new(b""), IoSlice::new(b"xy")], 1).unwrap();
        assert_eq!(read(file.as_ref())[..4], [&[0], &b"xy"[..], &expected[3..4]].concat());
    });
}

#[test]
fn reads_do_not_go_beyond_the_end() {
    on_every_disk(|disk, root| {
        let file = disk.create(&root.join("a")).unwrap();
        write(file.as_ref(), b"12345", 0);
        let mut three = [0; 3];
        file.read_exact_at(&mut three, 2).unwrap();
        assert_eq!(&three, b"345");
        assert_eq!(file.read_exact_at(&mut three, 3).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(file.read_exact_at(&mut three, 99).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        file.read_exact_at(&mut [], 5).unwrap();
        assert_eq!(file.read_vec_at(3, 2).unwrap(), b"345");
        assert_eq!(file.read_vec_at(0, 5).unwrap(), b"");
        for (len, position) in [(3, 3), (3, 99), (1, 5)] {
            assert_eq!(file.read_vec_at(len, position).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn length_can_be_cut_and_extended_with_zeros() {
    on_every_disk(|disk, root| {
        let file = disk.create(&root.join("a")).unwrap();
        write(file.as_ref(), b"12345", 0);
        file.set_len(2).unwrap();
        file.set_len(4).unwrap();
        assert_eq!(read(file.as_ref()), b"12\0\0");
        file.allocate(6).unwrap();
        file.allocate(1).unwrap();
        assert_eq!(read(file.as_ref()), b"12\0\0\0\0");
        file.sync_data().unwrap();
    });
}

#[test]
fn directories_list_their_plain_files_sorted() {
    on_every_disk(|disk, root| {
        assert!(disk.list(&root.join("absent")).unwrap().is_empty());
        assert!(disk.list(root).unwrap().is_empty());
        for name in ["b", "a", "c"] {
            disk.create(&root.join(name)).unwrap();
        }
        disk.create_dir_all(&root.join("sub/sub")).unwrap();
        disk.create_dir_all(&root.join("sub/sub")).unwrap();
        disk.create(&root.join("sub/d")).unwrap();
        assert_eq!(disk.list(root).unwrap(), ["a", "b", "c"]);
        assert_eq!(disk.list(&root.join("sub")).unwrap(), ["d"]);
        disk.sync_dir(root).unwrap();
    });
}

#[test]
fn renaming_replaces_and_removing_removes() {
    on_every_disk(|disk, root| {
        let (a, b) = (root.join("a"), root.join("b"));
        let first = disk.create(&a).unwrap();
        write(first.as_ref(), b"first", 0);
        let second = disk.create(&b).unwrap();
        write(second.as_ref(), b"second", 0);
        disk.rename(&a, &b).unwrap();
        assert_eq!(disk.list(root).unwrap(), ["b"]);
        assert_eq!(read(disk.open(&b).unwrap().as_ref()), b"first");
        assert_eq!(read(second.as_ref()), b"second", "an open file stays readable");
        assert_eq!(disk.rename(&a, &b).unwrap_err().kind(), ErrorKind::NotFound);
        disk.remove(&b).unwrap();
        assert_eq!(disk.remove(&b).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(read(first.as_ref()), b"first");
        write(first.as_ref(), b"!", 5);
        assert_eq!(read(first.as_ref()), b"first!");
    });
}

#[test]
fn there_is_free_space_and_crash_points_do_nothing() {
    on_every_disk(|disk, root| {
        assert!(disk.free_bytes(root).unwrap() > 0);
        disk.crash_point("anywhere").unwrap();
    });
}

#[test]
fn space_that_is_written_reads_as_zeros_behind_what_was_there() {
    on_every_disk(|disk, root| {
        let file = disk.create(&root.join("a")).unwrap();
        write(file.as_ref(), b"front", 0);
        for len in [3, 5_000, 8_192, 2_500_001] {
            file.allocate_written(len).unwrap();
            let expected = [b"front".to_vec(), vec![0; len.max(5) as usize - 5]].concat();
            assert!(read(file.as_ref()) == expected, "{len} bytes");
        }
        file.sync_data().unwrap();
    });
}
