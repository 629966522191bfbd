//! A disk in memory that keeps apart what was written and what would survive a power cut.
//!
//! For each file it remembers the durable bytes and every write since the last `sync_data`; for
//! directories, every create, rename and remove since the last `sync_dir`. [`SimDisk::crash`] ends
//! the machine and gives the disk that the next one finds, where the seed has decided for each
//! unsynced write whether it was kept, dropped or torn (by 512-byte sectors, so writes also appear
//! out of order), and for each unsynced directory operation whether it was kept. An operation on a
//! name whose earlier operation was lost is lost too, as on a journaling file system.
//!
//! A failed sync decides the same way at once and forgets: as on Linux, the file reads as written,
//! but syncing again makes nothing durable that the failed sync has lost.
//!
//! One seed gives one history as long as the calls come in the same order.

mod fault;
mod file;
mod names;
mod random;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub use fault::Operation;
use file::SimFile;
pub use random::SimRandom;
use state::State;

use crate::{Disk, DiskFile};

/// What was asked of a [`SimDisk`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls to read.
    pub reads: u64,
    /// Calls to write.
    pub writes: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Calls to `sync_data`.
    pub syncs: u64,
    /// Calls to `sync_dir`.
    pub dir_syncs: u64,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose fate follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Cuts the power: every later call on this disk fails. Gives the disk that a restart finds.
    #[must_use]
    pub fn crash(&self) -> SimDisk {
        let mut state = self.state.lock();
        state.faults.crashed = true;
        let seed = state.random.next_u64();
        SimDisk { state: Arc::new(Mutex::new(state.survivor(seed))) }
    }

    /// The disk that a restart would find if the power were cut now, as another seed decides it.
    /// This disk goes on.
    #[must_use]
    pub fn crash_image(&self, seed: u64) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(self.state.lock().survivor(seed))) }
    }

    /// Whether a crash was reached, by [`SimDisk::crash`] or a planned one.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.state.lock().faults.crashed
    }

    /// Crashes when [`Disk::crash_point`] is called with `name` for the `hit`-th time from now (1 is the next).
    pub fn crash_at(&self, name: &'static str, hit: u64) {
        self.state.lock().faults.crash_at = Some((name, hit.max(1)));
    }

    /// Crashes during the `n`-th operation from now that changes or syncs something (1 is the next).
    pub fn crash_after(&self, n: u64) {
        self.state.lock().faults.crash_after = Some(n.max(1));
    }

    /// Makes the `n`-th `operation` from now (1 is the next) fail with `kind`, once. A failing write
    /// may have been done in part.
    pub fn fail(&self, operation: Operation, n: u64, kind: io::ErrorKind) {
        self.state.lock().faults.planned.push((operation, n.max(1), kind));
    }

    /// Forgets all planned crashes, failures and delays that have not happened yet.
    pub fn clear_faults(&self) {
        self.state.lock().faults.clear();
    }

    /// Forgets the planned failures that have not happened yet; planned crashes stay.
    pub fn clear_failures(&self) {
        self.state.lock().faults.planned.clear();
    }

    /// Makes every `operation` take this long.
    pub fn slow(&self, operation: Operation, delay: Duration) {
        self.state.lock().faults.delays.insert(operation, delay);
    }

    /// Bounds the bytes of all files together; a write beyond fails with `StorageFull` after
    /// writing what fits. Nothing bounds them at first.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Bytes of all files that exist or are still open.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().used_bytes()
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.lock().counts
    }

    /// Every crash point passed so far and how often.
    #[must_use]
    pub fn crash_points(&self) -> BTreeMap<&'static str, u64> {
        self.state.lock().faults.points.clone()
    }

    /// All files that exist, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state.lock().names.current().keys().cloned().collect()
    }

    /// A file's content as it reads now.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        let inode = state.names.find(path)?;
        Ok(state.inode(inode)?.current.clone())
    }

    /// Replaces a file's content, durably and behind everybody's back; creates the file if absent.
    /// For tests of bit rot and of files from elsewhere.
    pub fn plant(&self, path: &Path, content: Vec<u8>) {
        self.state.lock().plant(path, content);
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.pause(Operation::Create);
        let inode = self.state.lock().create(path)?;
        Ok(Arc::new(SimFile::new(Arc::clone(&self.state), inode)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.state.lock().open(path)?;
        Ok(Arc::new(SimFile::new(Arc::clone(&self.state), inode)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.faults.alive()?;
        Ok(state.names.list(dir))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.faults.alive()?;
        state.names.create_dir_all(dir);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pause(Operation::Rename);
        self.state.lock().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pause(Operation::Remove);
        self.state.lock().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.pause(Operation::SyncDir);
        self.state.lock().sync_dir(dir)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        state.faults.alive()?;
        Ok(state.free_bytes())
    }

    fn crash_point(&self, name: &'static str) -> io::Result<()> {
        self.state.lock().faults.pass(name)
    }
}

impl SimDisk {
    fn pause(&self, operation: Operation) {
        file::pause(&self.state, operation);
    }
}

#[cfg(test)]
mod tests;
