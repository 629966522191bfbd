//! A journal whose writes are begun without a thread, on the real disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod rig;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rig::*;
use tidemill_disk::sim::SimRandom;
use tidemill_disk::{Disk, DiskFile, RealDisk, WriteQueue};
use tidemill_journal::{DirectWrites, Journal, Options};
use tidemill_state::Outcome;

/// How many writes were begun, and how many had a thread wait for them.
#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    waited: AtomicU64,
}

/// The real disk, every so many of whose writes cannot be begun, or end without having been written, in turn.
struct Watched {
    counts: Arc<Counts>,
    refused_each: u64,
}

struct WatchedFile {
    file: Arc<dyn DiskFile>,
    counts: Arc<Counts>,
    refused_each: u64,
}

impl Watched {
    fn file(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        let (counts, refused_each) = (self.counts.clone(), self.refused_each);
        Ok(Arc::new(WatchedFile { file: file?, counts, refused_each }))
    }
}

impl Disk for Watched {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(RealDisk.create(path))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(RealDisk.open(path))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(dir)
    }
    fn write_queue(&self) -> Option<WriteQueue> {
        RealDisk.write_queue()
    }
}

impl DiskFile for WatchedFile {
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, position)
    }
    fn write_all_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file.write_all_at(bufs, position)
    }
    fn has_durable_writes(&self) -> bool {
        true
    }
    fn write_durable(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.counts.waited.fetch_add(1, Ordering::SeqCst);
        self.file.write_durable(bufs, position)
    }
    fn has_queued_writes(&self) -> bool {
        true
    }
    fn begin_durable(&self, queue: &WriteQueue, bufs: &[IoSlice<'_>], position: u64, tag: u64) -> bool {
        let nth = self.counts.begun.fetch_add(1, Ordering::SeqCst) + 1;
        if !nth.is_multiple_of(self.refused_each) {
            return self.file.begin_durable(queue, bufs, position, tag);
        }
        // What is no whole block is begun, and answered with `EINVAL` when it ends.
        (nth / self.refused_each).is_multiple_of(2)
            && self.file.begin_durable(queue, &[IoSlice::new(b"odd")], 1, tag)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }
}

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Proposes batches of random sizes, several at a time, with the journal opened anew now and then. What it
/// acknowledged is there, in order.
async fn all_is_there_after(options: Options, refused_each: u64, largest: u64) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let disk: Arc<dyn Disk> = Arc::new(Watched { counts: counts.clone(), refused_each });
    let mut random = SimRandom::new(refused_each);
    let mut acked = vec![Vec::new(); PARTITIONS as usize];
    let mut id = 0;
    for life in 0..3 {
        let open = Journal::open(options.clone(), disk.clone(), Arc::new(Notes::default()));
        let journal = open.await.unwrap();
        for number in (0..PARTITIONS).filter(|_| life == 0) {
            assert_eq!(journal.propose(open_partition(number)).await, Ok(Outcome::Done));
        }
        for _ in 0..60 {
            let mut pending = Vec::new();
            for _ in 0..=random.below(12) {
                let number = random.below(PARTITIONS as u64) as i32;
                let bytes = 10 + random.below(largest) as usize;
                pending.push((number, id, journal.submit(append(number, vec![batch(id, bytes)]))));
                id += 1;
            }
            for (number, id, pending) in pending {
                let told = tokio::time::timeout(PATIENCE, pending).await.expect("a write was forgotten");
                assert!(matches!(told, Ok(Outcome::Appended(_))));
                acked[number as usize].push(id);
            }
        }
        for (number, acked) in acked.iter().enumerate() {
            let found: Vec<u64> = read_all(&journal, number as i32).into_values().collect();
            assert_eq!(&found, acked, "partition {number}");
        }
        journal.shutdown().await;
    }
    counts
}

fn options(dir: &Path, segment_bytes: u64) -> Options {
    Options { dir: dir.into(), segment_bytes, direct_writes: DirectWrites::Always, ..small() }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_there_and_most_was_begun_without_a_thread() {
    let dir = folder();
    let counts = all_is_there_after(options(dir.path(), 64 << 20), u64::MAX, 3_000).await;
    let (begun, waited) = (counts.begun.load(Ordering::SeqCst), counts.waited.load(Ordering::SeqCst));
    assert!(begun > 100 && waited < begun / 4, "{begun} begun, {waited} by a thread");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_and_tasks_take_turns_where_segments_are_short_and_writes_refused() {
    let dir = folder();
    let counts = all_is_there_after(options(dir.path(), 200 << 10), 5, 90_000).await;
    let (begun, waited) = (counts.begun.load(Ordering::SeqCst), counts.waited.load(Ordering::SeqCst));
    assert!(begun > 20 && waited > 20, "{begun} begun, {waited} by a thread");
}

/// Half of them: refused, or ended without having been written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_a_thread_has_to_repeat_is_not_forgotten() {
    let dir = folder();
    let counts = all_is_there_after(options(dir.path(), 64 << 20), 2, 3_000).await;
    assert!(counts.waited.load(Ordering::SeqCst) > 100);
}

#[tokio::test]
async fn one_thread_for_all_tasks_is_enough() {
    let dir = folder();
    let counts = all_is_there_after(options(dir.path(), 1 << 20), 7, 20_000).await;
    assert!(counts.begun.load(Ordering::SeqCst) > 100);
}

/// A runtime that ends takes the task along that lands what has ended: the log's threads do it then.
#[test]
fn a_journal_whose_tasks_are_gone_lets_go_of_its_folder() {
    let dir = folder();
    for life in 0..5 {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let counts = Arc::new(Counts::default());
        let disk = Arc::new(Watched { counts: counts.clone(), refused_each: 9 });
        let acked = runtime.block_on(async {
            let options = options(dir.path(), 1 << 20);
            let journal = Journal::open(options, disk, Arc::new(Notes::default())).await.unwrap();
            if life == 0 {
                journal.propose(open_partition(0)).await.unwrap();
            }
            for id in 0..40 {
                drop(journal.submit(append(0, vec![batch(id, 9_000)])));
            }
            let acked = journal.propose(append(0, vec![batch(99, 10)])).await.unwrap();
            drop(journal.submit(append(0, vec![batch(100, 9_000)])));
            acked
        });
        drop(runtime);
        let Outcome::Appended(acked) = acked else { panic!("{acked:?}") };
        assert!(acked.base_offset >= 41 * life + 40, "{acked:?} in life {life}");
        let since = Instant::now();
        while Arc::strong_count(&counts) > 1 {
            assert!(since.elapsed() < PATIENCE, "somebody holds the folder");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
