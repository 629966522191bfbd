//! The operating system's file system.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

use crate::aligned::AlignedPiece;
use crate::direct::DirectFile;
use crate::{BLOCK_BYTES, Disk, DiskFile, WriteQueue};

/// Linux takes at most this many buffers in one `pwritev` (`IOV_MAX`).
const MAX_BUFFERS: usize = 1024;

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealFile { file, direct: Arc::default() }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile { file, direct: Arc::default() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if dir.is_dir() {
            // Whoever created it may have died before its name was on disk.
            return match self.sync_dir(parent.unwrap_or(Path::new("."))) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
                _ => Ok(()),
            };
        }
        if let Some(parent) = parent {
            self.create_dir_all(parent)?;
        }
        match std::fs::create_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            Err(error) => return Err(error),
        }
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn write_queue(&self) -> Option<WriteQueue> {
        WriteQueue::open().ok()
    }
}

struct RealFile {
    file: File,
    direct: Arc<DirectFile>,
}

/// Zeros are written in pieces of this size.
const ZEROS_BYTES: usize = 512 << 10;

/// What is written where zeros are to be. Made once: to fill it each time costs more than to write it.
static ZEROS: LazyLock<AlignedPiece> = LazyLock::new(|| AlignedPiece::zeros(ZEROS_BYTES));

/// Writes zeros past the page cache from a block's beginning on, as many blocks as there are before `len`. Answers
/// how far it came.
fn write_direct_zeros(direct: &File, from: u64, len: u64) -> u64 {
    let zeros = ZEROS.from(0);
    let mut position = from;
    while position + BLOCK_BYTES <= len {
        let step = ((len - position) / BLOCK_BYTES * BLOCK_BYTES).min(ZEROS_BYTES as u64) as usize;
        let piece = zeros.get(..step).unwrap_or_default();
        match direct.write_at(piece, position) {
            Ok(written) if written > 0 && (written as u64).is_multiple_of(BLOCK_BYTES) => {
                position += written as u64
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // No such alignment, or no such file system.
            _ => break,
        }
    }
    position
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, position)
    }

    /// Into memory that is not filled with zeros before.
    fn read_vec_at(&self, len: usize, position: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = position + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_all_at(&self, bufs: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        let mut owned = bufs.to_vec();
        let mut rest: &mut [IoSlice<'_>] = &mut owned;
        IoSlice::advance_slices(&mut rest, 0); // drops empty buffers in front
        while !rest.is_empty() {
            let window = rest.get(..rest.len().min(MAX_BUFFERS)).unwrap_or_default();
            match rustix::io::pwritev(&self.file, window, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    position += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn has_durable_writes(&self) -> bool {
        self.direct.is_possible(&self.file)
    }

    fn write_durable(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.direct.write_durable(&self.file, bufs, position, || {
            self.write_all_at(bufs, position)?;
            // What a failed sync has lost no second one brings back: not an error to try again after.
            self.sync_data().map_err(|error| io::Error::other(error.to_string()))
        })
    }

    fn has_queued_writes(&self) -> bool {
        self.direct.is_asynchronous(&self.file)
    }

    fn begin_durable(&self, queue: &WriteQueue, bufs: &[IoSlice<'_>], position: u64, tag: u64) -> bool {
        queue.begin(&self.direct, &self.file, bufs, position, tag)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn drop_cached(&self, from: u64, len: u64) {
        if let Some(len) = NonZeroU64::new(len) {
            // A file system that cannot do this keeps the pages, which harms nobody.
            let _ = rustix::fs::fadvise(&self.file, from, Some(len), Advice::DontNeed);
        }
    }

    /// Past the page cache, where it would only push out what is wanted.
    fn allocate_written(&self, len: u64) -> io::Result<()> {
        let have = self.len()?;
        self.allocate(len)?;
        let first = have.next_multiple_of(BLOCK_BYTES);
        let Some(upto) = self.direct.with(&self.file, |direct| write_direct_zeros(direct, first, len)) else {
            return self.write_zeros(have, len);
        };
        self.write_zeros(have, first.min(len))?;
        self.write_zeros(upto.min(len), len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let have = self.len()?;
        if have >= len {
            return Ok(());
        }
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), have, len - have) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP) => return self.file.set_len(len),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
