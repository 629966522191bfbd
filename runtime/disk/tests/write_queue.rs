//! Writes that nobody waits for, on the real disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_disk::{BLOCK_BYTES, Disk, DiskFile, RealDisk, WriteEnd, WriteQueue};

const BLOCK: usize = BLOCK_BYTES as usize;
const PATIENCE: Duration = Duration::from_secs(60);

/// A file of some blocks, and the folder that it goes with. Not where the system keeps temporary files, which may be memory.
fn file() -> (tempfile::TempDir, Arc<dyn DiskFile>) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = RealDisk.create(&dir.path().join("a")).unwrap();
    file.allocate_written(600 * BLOCK_BYTES).unwrap();
    (dir, file)
}

fn read(file: &dyn DiskFile, from: usize, blocks: usize) -> Vec<u8> {
    file.read_vec_at(blocks * BLOCK, (from * BLOCK) as u64).unwrap()
}

fn ends(queue: &WriteQueue, count: usize) -> Vec<(u64, WriteEnd)> {
    let (mut ends, since) = (Vec::new(), Instant::now());
    while ends.len() < count {
        assert!(since.elapsed() < PATIENCE, "only {ends:?}");
        std::thread::yield_now();
        ends.extend(queue.take_ended());
    }
    ends.sort_unstable_by_key(|(tag, _)| *tag);
    ends
}

fn ended(queue: &WriteQueue, count: usize) -> Vec<u64> {
    let ends = ends(queue, count);
    assert!(ends.iter().all(|(_, end)| matches!(end, WriteEnd::Durable)), "{ends:?}");
    ends.into_iter().map(|(tag, _)| tag).collect()
}

#[test]
fn writes_end_beside_each_other_and_make_room_when_that_was_told() {
    let (_dir, file) = file();
    let queue = RealDisk.write_queue().unwrap();
    let begin = |byte: u8, at: usize, blocks: usize, tag| {
        let whole = vec![byte; blocks * BLOCK];
        let (front, back) = whole.split_at(1_000);
        let bufs = [IoSlice::new(front), IoSlice::new(b""), IoSlice::new(back)];
        file.begin_durable(&queue, &bufs, (at * BLOCK) as u64, tag)
    };
    for round in 0..50_u8 {
        assert!(begin(round, 0, 3, 7));
        assert!(begin(round + 1, 3, 200, 8));
        assert!(begin(round + 2, 203, 1, 9));
        assert!(queue.has_room());
        assert!(begin(round + 3, 204, 20, 10));
        assert!(!queue.has_room() && !begin(9, 0, 1, 11), "what has ended is not told yet");
        assert_eq!(ended(&queue, 4), [7, 8, 9, 10]);
        assert!(read(file.as_ref(), 0, 3) == [round; 3 * BLOCK]);
        assert!(read(file.as_ref(), 3, 200) == [round + 1; 200 * BLOCK]);
        assert!(read(file.as_ref(), 203, 1) == [round + 2; BLOCK]);
        assert!(read(file.as_ref(), 204, 20) == [round + 3; 20 * BLOCK]);
    }
    assert!(queue.take_ended().is_empty());
}

#[test]
fn what_cannot_be_begun_has_not_happened() {
    let (_dir, file) = file();
    let queue = RealDisk.write_queue().unwrap();
    let most = vec![1; WriteQueue::MAX_BYTES];
    assert!(!file.begin_durable(&queue, &[], 0, 1));
    assert!(!file.begin_durable(&queue, &[IoSlice::new(&most), IoSlice::new(&[1; BLOCK])], 0, 1), "too much");
    assert!(!file.begin_durable(&queue, &[IoSlice::new(&most)], u64::MAX, 1), "no file is as long");
    assert!(read(file.as_ref(), 0, 1) == [0; BLOCK]);
    assert!(file.begin_durable(&queue, &[IoSlice::new(&most)], BLOCK_BYTES, 1));
    assert_eq!(ended(&queue, 1), [1]);
    assert!(read(file.as_ref(), 1, most.len() / BLOCK) == most);
}

#[test]
fn a_write_that_is_no_whole_block_is_left_to_others() {
    let (_dir, file) = file();
    let queue = RealDisk.write_queue().unwrap();
    if file.begin_durable(&queue, &[IoSlice::new(b"odd")], 1, 1) {
        let ends = ends(&queue, 1);
        assert!(matches!(ends[..], [(1, WriteEnd::NotWritten)]), "{ends:?}");
    }
    assert!(read(file.as_ref(), 0, 1) == [0; BLOCK]);
}

#[test]
fn the_descriptor_says_that_a_write_has_ended() {
    let (_dir, file) = file();
    let queue = RealDisk.write_queue().unwrap();
    let is_readable = |patience_ms: i64| {
        let mut watched =
            [rustix::event::PollFd::from_borrowed_fd(queue.as_fd(), rustix::event::PollFlags::IN)];
        let patience = rustix::fs::Timespec { tv_sec: patience_ms / 1000, tv_nsec: 0 };
        rustix::event::poll(&mut watched, Some(&patience)).unwrap() > 0
    };
    assert!(!is_readable(0));
    assert!(file.begin_durable(&queue, &[IoSlice::new(&[1; BLOCK])], 0, 1));
    assert!(is_readable(60_000));
    assert_eq!(ended(&queue, 1), [1]);
}

#[test]
fn a_queue_that_goes_waits_for_its_writes() {
    for round in 0..20_u8 {
        let (_dir, file) = file();
        let queue = RealDisk.write_queue().unwrap();
        let content = vec![round; 256 * BLOCK];
        assert!(file.begin_durable(&queue, &[IoSlice::new(&content)], 0, 1));
        drop(queue);
        assert!(read(file.as_ref(), 0, 256) == content, "round {round}");
    }
}
