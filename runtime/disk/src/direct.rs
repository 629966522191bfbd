//! A file once more, for access past the page cache.
//!
//! What is written so has to begin and end at a block's boundary in the file and to lie at one in memory.
//! So it is copied together, which costs less than a copy into the page cache with its bookkeeping for
//! each block.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags};

use crate::BLOCK_BYTES;
use crate::aligned::{AlignedPiece, PIECE_BYTES, Rest};

const BLOCK: usize = BLOCK_BYTES as usize;

/// Descriptors for access past the page cache, opened when they are needed. A write has one for itself: the system
/// tells an error of writing back to each descriptor once, and where a file system takes such a write through the page
/// cache after all, the one of a write beside it would not hear of it.
#[derive(Default)]
pub(crate) struct DirectFile {
    unused: Mutex<Vec<File>>,
    /// The file system cannot do this.
    is_refused: AtomicBool,
    /// The file system takes such a write without waiting for its end, once that is known.
    is_asynchronous: OnceLock<bool>,
    /// Held by a write that has to go through the page cache.
    buffered: Mutex<()>,
}

/// `EXT4_SUPER_MAGIC` and `XFS_SUPER_MAGIC` of `statfs(2)`. Set up as usual, both begin a write past the page cache to
/// blocks that the file has without waiting for its end; others may do all of it before `io_submit(2)` returns.
const ASYNCHRONOUS: [u64; 2] = [0xEF53, 0x5846_5342];

impl DirectFile {
    /// Whether the file system can do this, as far as is known.
    pub(crate) fn is_possible(&self, file: &File) -> bool {
        self.with(file, |_| ()).is_some()
    }

    /// Whether such a write can be begun without waiting for its end.
    pub(crate) fn is_asynchronous(&self, file: &File) -> bool {
        let known =
            |file| rustix::fs::fstatfs(file).is_ok_and(|stat| ASYNCHRONOUS.contains(&(stat.f_type as u64)));
        !self.is_refused.load(Ordering::Relaxed) && *self.is_asynchronous.get_or_init(|| known(file))
    }

    /// Uses a descriptor of `file`. None if the file system cannot do this.
    pub(crate) fn with<T>(&self, file: &File, work: impl FnOnce(&File) -> T) -> Option<T> {
        let direct = self.take(file)?;
        let done = work(&direct);
        self.put_back(direct);
        Some(done)
    }

    /// A descriptor of `file`, by number: its name may change. None if the file system cannot do this.
    pub(crate) fn take(&self, file: &File) -> Option<File> {
        if self.is_refused.load(Ordering::Relaxed) {
            return None;
        }
        let unused = self.unused.lock().pop();
        let open = || {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let flags = OFlags::DIRECT.bits().cast_signed();
            OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
        };
        let direct = unused.or_else(open);
        if direct.is_none() {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        direct
    }

    /// For the next one who needs a descriptor.
    pub(crate) fn put_back(&self, direct: File) {
        self.unused.lock().push(direct);
    }

    /// Writes `bufs` at `position`, durable when this returns.
    pub(crate) fn write_durable(
        &self,
        file: &File,
        bufs: &[IoSlice<'_>],
        position: u64,
        through_page_cache: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let write =
            |direct: &File| COPIED.with_borrow_mut(|copied| write_pieces(direct, copied, bufs, position));
        match self.with(file, write) {
            None => {}
            Some(Err(error)) if is_refusal(&error) => self.is_refused.store(true, Ordering::Relaxed),
            Some(written) => return written,
        }
        let _alone = self.buffered.lock();
        through_page_cache()
    }
}

/// Whether this is how a file system, or what is between it and us, says that it cannot do this.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

thread_local! {
    /// A journal's log is written by a few threads, each of which needs one piece at a time.
    static COPIED: RefCell<AlignedPiece> = const { RefCell::new(AlignedPiece::EMPTY) };
}

fn write_pieces(
    file: &File,
    piece: &mut AlignedPiece,
    bufs: &[IoSlice<'_>],
    mut position: u64,
) -> io::Result<()> {
    let mut left: usize = bufs.iter().map(|buf| buf.len()).sum();
    let mut rest = Rest::of(bufs.iter().map(|buf| &buf[..]));
    while left > 0 {
        piece.copy(&mut rest, left.min(PIECE_BYTES))?;
        write_piece(file, piece, position)?;
        position += piece.len() as u64;
        left -= piece.len();
    }
    Ok(())
}

fn write_piece(file: &File, piece: &AlignedPiece, position: u64) -> io::Result<()> {
    let mut done = 0;
    while done < piece.len() {
        let rest = [IoSlice::new(piece.from(done))];
        match rustix::io::pwritev2(file, &rest, position + done as u64, ReadWriteFlags::DSYNC) {
            Ok(written) if done + written == piece.len() => done += written,
            Ok(..BLOCK) => return Err(io::ErrorKind::WriteZero.into()),
            // The next write has to begin with a block again.
            Ok(written) => done += written / BLOCK * BLOCK,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
