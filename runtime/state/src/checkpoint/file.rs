//! The file under the checkpoint store: made, opened, and made anew when it cannot be trusted.
//!
//! A file is always made complete under another name and then renamed, so a crash leaves no
//! half-made one. After a failed fsync the operating system may show bytes that the disk does not
//! have and never will: syncing again would only seem to work. So the file is then copied into a
//! new one before it is used again, also after a restart, which a marker file tells of.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadableDatabase, ReadableTable};
use tidemill_disk::Disk;

use super::backend::DiskBackend;
use super::store::{FORMAT, META, ROWS, failed};
use crate::Error;

/// Loading reads everything once and writing touches few pages, so redb's cache may be small.
const CACHE_BYTES: usize = 8 << 20;

pub(super) struct CheckpointFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    sync_failed: Arc<AtomicBool>,
}

impl CheckpointFile {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Self { disk, path: path.to_owned(), sync_failed: Arc::default() }
    }

    /// Opens the file, making it (anew) if need be. The database that was open before is gone.
    pub(super) fn open(&self) -> Result<Database, Error> {
        if self.sync_failed.load(Ordering::SeqCst) || self.exists(&self.marker())? {
            if self.exists(&self.path)? {
                self.make(Some(&self.open_database()?))?;
            }
            self.remove(&self.marker())?;
            self.sync_dir()?;
            self.sync_failed.store(false, Ordering::SeqCst);
        }
        if !self.exists(&self.path)? {
            self.make(None)?;
        }
        self.open_database()
    }

    /// Called after anything failed: if it was an fsync, a restart must know. Best effort, for the
    /// disk is failing.
    pub(super) fn note_failure(&self) {
        if self.sync_failed.load(Ordering::SeqCst) {
            let marked = self.disk.create(&self.marker()).and_then(|_| self.disk.sync_dir(self.dir()));
            if let Err(error) = marked {
                tracing::warn!(%error, path = %self.path.display(), "cannot mark a checkpoint that failed to sync");
            }
        }
    }

    /// Makes a complete file, a copy of `from` or empty, under another name; then renames it.
    fn make(&self, from: Option<&Database>) -> Result<(), Error> {
        let new = self.path.with_extension("new");
        self.remove(&new)?;
        let file = self.disk.create(&new).map_err(|e| self.error("creating", e))?;
        let synced = Arc::new(AtomicBool::new(false));
        let database = build(DiskBackend { file: file.clone(), sync_failed: synced })?;
        match from {
            Some(from) => copy(from, &database)?,
            None => initialise(&database)?,
        }
        drop(database);
        file.sync_data().map_err(|e| self.error("syncing", e))?;
        self.disk.rename(&new, &self.path).map_err(|e| self.error("renaming", e))?;
        self.sync_dir()
    }

    fn open_database(&self) -> Result<Database, Error> {
        let file = self.disk.open(&self.path).map_err(|e| self.error("opening", e))?;
        build(DiskBackend { file, sync_failed: self.sync_failed.clone() })
    }

    fn exists(&self, path: &Path) -> Result<bool, Error> {
        let names = self.disk.list(self.dir()).map_err(|e| self.error("looking for", e))?;
        Ok(path.file_name().is_some_and(|name| names.iter().any(|n| name == n.as_str())))
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.disk.remove(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.error("removing", e)),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self) -> Result<(), Error> {
        self.disk.sync_dir(self.dir()).map_err(|e| self.error("syncing the directory of", e))
    }

    fn marker(&self) -> PathBuf {
        self.path.with_extension("suspect")
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn error(&self, doing: &str, source: io::Error) -> Error {
        Error::Store { context: format!("{doing} {}", self.path.display()), source }
    }
}

/// The integrity check reads the whole file, as loading does anyway; without it redb may panic on
/// a damaged file.
fn build(backend: DiskBackend) -> Result<Database, Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder.create_with_backend(backend).map_err(failed("opening"))
}

fn initialise(database: &Database) -> Result<(), Error> {
    let txn = database.begin_write().map_err(failed("creating"))?;
    txn.open_table(ROWS).map_err(failed("creating"))?;
    txn.open_table(META)
        .map_err(failed("creating"))?
        .insert("format", [FORMAT].as_slice())
        .map_err(failed("creating"))?;
    txn.commit().map_err(failed("creating"))
}

fn copy(from: &Database, to: &Database) -> Result<(), Error> {
    let source = from.begin_read().map_err(failed("copying"))?;
    let txn = to.begin_write().map_err(failed("copying"))?;
    {
        let mut rows = txn.open_table(ROWS).map_err(failed("copying"))?;
        for row in source.open_table(ROWS).map_err(failed("copying"))?.iter().map_err(failed("copying"))? {
            let (key, value) = row.map_err(failed("copying"))?;
            rows.insert(key.value(), value.value()).map_err(failed("copying"))?;
        }
        let mut meta = txn.open_table(META).map_err(failed("copying"))?;
        for row in source.open_table(META).map_err(failed("copying"))?.iter().map_err(failed("copying"))? {
            let (key, value) = row.map_err(failed("copying"))?;
            meta.insert(key.value(), value.value()).map_err(failed("copying"))?;
        }
    }
    txn.commit().map_err(failed("copying"))
}
