//! What all parts of an open log share.
//!
//! Locks, in the order they are taken: `maintenance`, `writer`, `vote` / `saved_purged`, `index`,
//! `cache` / `sections` / `spares` / `page_cache`. A file's `syncing` is taken last, for its sync only. Only the first three are held across I/O, none of which a reader takes.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex, RwLock};
use tidemill_disk::Disk;

use crate::cache::EntryCache;
use crate::checkpoint::Maintenance;
use crate::error::Error;
use crate::file::WalFile;
use crate::hot::extent::BatchExtent;
use crate::hot::footer;
use crate::hot::sections::SectionCache;
use crate::hot::span::SectionRef;
use crate::index::Index;
use crate::names::TEMPORARY;
use crate::options::Options;
use crate::page_cache::PageCache;
use crate::read_demand::ReadDemand;
use crate::spare::Spares;
use crate::types::{LogId, Space};
use crate::writer::Writer;

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) writer: Mutex<Writer>,
    /// With `writer`: something on its way to disk has got there, or never will.
    pub(crate) landed: Condvar,
    pub(crate) vote: Mutex<Option<Vec<u8>>>,
    pub(crate) saved_purged: Mutex<Option<LogId>>,
    pub(crate) index: RwLock<Index>,
    pub(crate) cache: Mutex<EntryCache>,
    pub(crate) sections: Mutex<SectionCache>,
    pub(crate) spares: Mutex<Spares>,
    pub(crate) page_cache: Mutex<PageCache>,
    pub(crate) read_demand: ReadDemand,
    pub(crate) stopped: OnceLock<String>,
}

impl Shared {
    /// Fails if the log has stopped.
    pub(crate) fn running(&self) -> Result<(), Error> {
        match self.stopped.get() {
            None => Ok(()),
            Some(reason) => Err(Error::Stopped { reason: reason.clone() }),
        }
    }

    /// Stops the log for good.
    pub(crate) fn stop(&self, operation: &str, file: &str, error: &std::io::Error) -> Error {
        let reason = format!("cannot {operation} {file}: {error}");
        Error::Stopped { reason: self.stopped.get_or_init(|| reason).clone() }
    }

    pub(crate) fn crash_point(&self, name: &'static str) -> Result<(), Error> {
        self.disk.crash_point(name).map_err(Error::io("pass", name))
    }

    /// Syncs a file; nobody knows what is on disk if that fails.
    pub(crate) fn sync_file(&self, file: &WalFile) -> Result<(), Error> {
        let _alone = file.syncing.lock();
        self.running()?;
        file.disk.sync_data().map_err(|error| self.stop("sync", &file.name, &error))
    }

    pub(crate) fn sync_dir(&self) -> Result<(), Error> {
        self.disk.sync_dir(&self.dir).map_err(|error| self.stop("sync", "the directory", &error))
    }

    /// Syncs a new file and gives it its name, durably.
    pub(crate) fn publish(&self, file: &WalFile) -> Result<(), Error> {
        self.sync_file(file)?;
        let temporary = self.dir.join(format!("{}{TEMPORARY}", file.name));
        if let Err(error) = self.disk.rename(&temporary, &self.dir.join(&file.name)) {
            let _ = self.disk.remove(&temporary); // left over for the next open to remove
            return Err(Error::io("rename", &file.name)(error));
        }
        self.sync_dir()
    }

    /// Removes a file; it is gone for good after [`sync_dir`](Shared::sync_dir).
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        match self.disk.remove(&self.dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", name)(error))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of all files, those that wait to become segments among them.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.index.read().total_bytes().saturating_add(self.spares.lock().bytes())
    }

    /// How far a file of `have` bytes may grow: to `wish` if there is plenty of room, else to `need`.
    pub(crate) fn permit(&self, have: u64, need: u64, wish: u64, space: Space) -> Result<u64, Error> {
        let total = self.total_bytes();
        let free = self.disk.free_bytes(&self.dir).map_err(Error::io("ask for free space of", "the disk"))?;
        let (max, reserve) = (self.options.max_bytes, self.options.reserve_bytes);
        let fits = |target: u64, bound: u64, keep: u64| {
            let growth = target.saturating_sub(have);
            total.saturating_add(growth) <= bound && free >= growth.saturating_add(keep)
        };
        if fits(wish, max, reserve) {
            Ok(wish)
        } else if fits(need, max, reserve)
            || (space == Space::Reserve && fits(need, max.saturating_add(reserve / 2), reserve / 2))
        {
            Ok(need)
        } else {
            let reason = format!(
                "{total} bytes of {max} used, {free} bytes free on the disk, {reserve} bytes kept in reserve"
            );
            Err(Error::DiskFull { reason })
        }
    }

    /// The batches of a footer's section, from the cache or the file.
    pub(crate) fn section(
        &self,
        file: &WalFile,
        section: SectionRef,
    ) -> Result<Arc<Vec<BatchExtent>>, Error> {
        if let Some(found) = self.sections.lock().get(file.id, section.position) {
            return Ok(found);
        }
        let read = Arc::new(footer::read_section(file, section)?);
        self.sections.lock().put(file.id, section.position, Arc::clone(&read));
        Ok(read)
    }
}
