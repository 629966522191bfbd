//! Disk, clock and randomness as values that come in from outside.
//!
//! Everything that persists goes through [`Disk`], so that the same code runs over the operating
//! system ([`RealDisk`](real::RealDisk)) and over a simulated disk that forgets, tears and reorders
//! whatever was not synced ([`SimDisk`](sim::SimDisk)). `kill -9` cannot test an fsync, because the
//! page cache survives it; the simulated disk can.

mod aligned;
pub mod clock;
mod direct;
mod huge_page;
pub mod real;
pub mod sim;
mod write_queue;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub use clock::{SimClock, SystemClock};
pub use huge_page::HugePage;
pub use real::RealDisk;
pub use sim::SimDisk;
pub use write_queue::{WriteEnd, WriteQueue};

/// What files are written in at least past the page cache, and what the page cache holds: no disk in use
/// asks for more.
pub const BLOCK_BYTES: u64 = 4096;

/// A file system as the journal sees it. All calls block; callers keep them off network threads.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file that must not exist yet and opens it for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The names (not paths) of the plain files in `dir`, sorted. An absent directory is empty.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a directory and its parents; each parent's entry is durable when this returns.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file, replacing the target. Durable only after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable only after [`Disk::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes still free for us on the file system that holds `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// A queue for writes that nobody waits for. None where there is no such thing.
    fn write_queue(&self) -> Option<WriteQueue> {
        None
    }
    /// A named place in the code where a test may end the process. The real disk does nothing; a
    /// simulated disk told to crash here answers an error and refuses every later call.
    fn crash_point(&self, name: &'static str) -> io::Result<()> {
        let _ = name;
        Ok(())
    }
}

/// An open file. Positional, so that readers and the writer share one descriptor without a lock.
#[allow(clippy::len_without_is_empty, reason = "an empty file is nothing special to any caller")]
pub trait DiskFile: Send + Sync + 'static {
    /// Fills `buf` from `position`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()>;
    /// Reads `len` bytes from `position`, or fails with `UnexpectedEof`.
    fn read_vec_at(&self, len: usize, position: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }
    /// Writes all of `bufs` one after another at `position`, without copying them together.
    fn write_all_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Whether [`DiskFile::write_durable`] waits for what it writes only.
    fn has_durable_writes(&self) -> bool {
        false
    }
    /// Writes all of `bufs` one after another at `position`, durable when this returns (`O_DIRECT`, `O_DSYNC`).
    /// Position and length together are whole blocks ([`BLOCK_BYTES`]) within the file's length. Several may be on
    /// their way at a time, to different blocks; nothing else may have written, and not synced, there.
    fn write_durable(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.write_all_at(bufs, position)?;
        self.sync_data()
    }
    /// Whether [`DiskFile::begin_durable`] returns before the disk has done what it is asked.
    fn has_queued_writes(&self) -> bool {
        false
    }
    /// Begins what [`DiskFile::write_durable`] does, at most [`WriteQueue::MAX_BYTES`], and returns: `queue` tells its end
    /// under the name of `tag`. Answers whether that was begun; otherwise nothing has happened.
    fn begin_durable(&self, queue: &WriteQueue, bufs: &[IoSlice<'_>], position: u64, tag: u64) -> bool {
        let _ = (queue, bufs, position, tag);
        false
    }
    /// Makes the written data, and the length needed to read it, durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends the file; not durable until synced.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the file at least `len` bytes long, new bytes reading as zero, and takes the space for
    /// them from the file system now if it can: a later write inside `len` then neither runs out of
    /// space nor changes the file's length, which makes its `sync_data` cheaper.
    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.len()? < len {
            self.set_len(len)?;
        }
        Ok(())
    }
    /// As [`DiskFile::allocate`], with the new bytes written, so that a later write over them changes
    /// nothing about the file but its content.
    fn allocate_written(&self, len: u64) -> io::Result<()> {
        self.write_zeros(self.len()?, len)
    }
    /// What was written there, and synced, need not stay in memory: a hint, for reading and writing
    /// files that are larger than what memory is to be spent on.
    fn drop_cached(&self, from: u64, len: u64) {
        let _ = (from, len);
    }
    /// Writes zeros from `from` to before `to`.
    fn write_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let zeros = [0; 4096];
        let mut position = from;
        while position < to {
            let step = (to - position).min(zeros.len() as u64);
            let piece = zeros.get(..step as usize).unwrap_or_default();
            self.write_all_at(&[IoSlice::new(piece)], position)?;
            position += step;
        }
        Ok(())
    }
}

/// Wall-clock time, milliseconds since the Unix epoch.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}
