//! An open numbered file.

use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tidemill_disk::{Disk, DiskFile};

use crate::error::Error;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::names::{FileId, TEMPORARY};
use crate::read_demand::ReadDemand;
use crate::spare::Spare;
use crate::types::LogId;

/// A file of the log that readers and the writer share.
pub(crate) struct WalFile {
    pub(crate) id: FileId,
    pub(crate) name: String,
    pub(crate) salt: u64,
    /// The entry before the file's first one.
    pub(crate) previous: Option<LogId>,
    pub(crate) disk: Arc<dyn DiskFile>,
    /// Nothing below is to stay in the page cache.
    uncached_upto: AtomicU64,
    /// The system tells an error of writing back once: whoever syncs beside whoever is told would take the file
    /// for synced.
    pub(crate) syncing: Mutex<()>,
}

impl WalFile {
    /// Makes a file with a header and `allocate` bytes of space under a temporary name. Nothing is
    /// durable before [`publish`](crate::shared::Shared::publish).
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        header: &FileHeader,
        allocate: u64,
    ) -> Result<WalFile, Error> {
        let name = header.id.name();
        let temporary = dir.join(format!("{name}{TEMPORARY}"));
        let file = match disk.create(&temporary) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                disk.remove(&temporary).map_err(Error::io("remove", &name))?;
                disk.create(&temporary)
            }
            other => other,
        };
        let file = file.map_err(Error::io("create", &name))?;
        Self::begin(disk, dir, header, allocate, file)
    }

    /// As [`WalFile::create`], in a file that exists under another temporary name.
    pub(crate) fn reuse(
        disk: &dyn Disk,
        dir: &Path,
        header: &FileHeader,
        allocate: u64,
        spare: Spare,
    ) -> Result<WalFile, Error> {
        let name = header.id.name();
        let from = dir.join(&spare.name);
        if let Err(error) = disk.rename(&from, &dir.join(format!("{name}{TEMPORARY}"))) {
            let _ = disk.remove(&from); // left over for the next open to remove
            return Err(Error::io("rename", &spare.name)(error));
        }
        Self::begin(disk, dir, header, allocate, spare.file)
    }

    fn begin(
        disk: &dyn Disk,
        dir: &Path,
        header: &FileHeader,
        allocate: u64,
        file: Arc<dyn DiskFile>,
    ) -> Result<WalFile, Error> {
        let name = header.id.name();
        let written = file
            .allocate(allocate.max(FILE_HEADER_BYTES))
            .and_then(|()| file.write_all_at(&[IoSlice::new(&header.encode())], 0));
        if let Err(error) = written {
            let _ = disk.remove(&dir.join(format!("{name}{TEMPORARY}"))); // or the next open removes it
            return Err(Error::io("write", &name)(error));
        }
        Ok(Self::new(header, name, file))
    }

    fn new(header: &FileHeader, name: String, disk: Arc<dyn DiskFile>) -> WalFile {
        WalFile {
            id: header.id,
            name,
            salt: header.salt,
            previous: header.previous,
            disk,
            uncached_upto: AtomicU64::new(0),
            syncing: Mutex::default(),
        }
    }

    pub(crate) fn open(disk: &dyn Disk, dir: &Path, id: FileId, journal_id: u32) -> Result<WalFile, Error> {
        let name = id.name();
        let file = disk.open(&dir.join(&name)).map_err(Error::io("open", &name))?;
        let len = file.len().map_err(Error::io("read", &name))?;
        let mut bytes = vec![0; len.min(FILE_HEADER_BYTES) as usize];
        file.read_exact_at(&mut bytes, 0).map_err(Error::io("read", &name))?;
        let header = FileHeader::decode(&bytes, id, journal_id)?;
        Ok(Self::new(&header, name, file))
    }

    pub(crate) fn len(&self) -> Result<u64, Error> {
        self.disk.len().map_err(Error::io("read", &self.name))
    }

    /// Reads `len` bytes. The caller has bounded `len` by the file's length.
    pub(crate) fn read(&self, position: u64, len: usize) -> Result<BytesMut, Error> {
        let bytes = self.disk.read_vec_at(len, position).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.corrupt(position, "the file ends here"),
            _ => Error::io("read", &self.name)(error),
        })?;
        Ok(Bytes::from(bytes).into())
    }

    /// As [`WalFile::read`], for as much as is worth giving back to the page cache, or missing there.
    pub(crate) fn read_batches(
        &self,
        position: u64,
        len: usize,
        demand: &ReadDemand,
    ) -> Result<BytesMut, Error> {
        let bytes = self.read(position, len)?;
        if position + len as u64 <= self.uncached_upto.load(Ordering::Relaxed) {
            self.disk.drop_cached(position, len as u64);
        } else {
            demand.read(len as u64);
        }
        Ok(bytes)
    }

    /// Gives the pages of what was written back to the operating system.
    pub(crate) fn give_back(&self, range: Range<u64>) {
        self.uncached_upto.fetch_max(range.end, Ordering::Relaxed);
        self.disk.drop_cached(range.start, range.end - range.start);
    }

    pub(crate) fn read_frame_header(&self, position: u64) -> Result<FrameHeader, Error> {
        let bytes = self.read(position, FRAME_HEADER_BYTES)?;
        FrameHeader::decode(&bytes, self.salt, position).map_err(|bad| self.corrupt(position, bad.reason))
    }

    pub(crate) fn corrupt(&self, position: u64, reason: impl Into<String>) -> Error {
        Error::corrupt(&self.name, position, reason)
    }
}
