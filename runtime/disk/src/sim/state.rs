//! The simulated machine's disk: files, names, free space and planned faults under one lock.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::Counts;
use super::fault::{Fate, Faults, Operation, crashed};
use super::file::Inode;
use super::names::{InodeId, Names};
use super::random::SimRandom;

pub(super) struct State {
    pub(super) random: SimRandom,
    pub(super) faults: Faults,
    pub(super) counts: Counts,
    pub(super) capacity: Option<u64>,
    pub(super) names: Names,
    inodes: HashMap<InodeId, Inode>,
    next_inode: InodeId,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            random: SimRandom::new(seed),
            faults: Faults::default(),
            counts: Counts::default(),
            capacity: None,
            names: Names::default(),
            inodes: HashMap::new(),
            next_inode: 1,
        }
    }

    pub(super) fn inode(&self, inode: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn inode_mut(&mut self, inode: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let live = self.inodes.iter().filter(|(id, inode)| {
            inode.handles > 0 || self.names.current().values().any(|named| named == *id)
        });
        live.map(|(_, inode)| inode.current.len() as u64).sum()
    }

    pub(super) fn free_bytes(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used_bytes()))
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<InodeId> {
        self.faults.alive()?;
        self.names.expect_parent(path)?;
        if self.names.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = self.next_inode;
        self.next_inode += 1;
        self.step(Operation::Create, |state| {
            state.inodes.insert(id, Inode::with_handle());
            state.names.create(path, id);
            Ok(id)
        })
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<InodeId> {
        self.faults.alive()?;
        let id = self.names.find(path)?;
        self.inode_mut(id)?.handles += 1;
        Ok(id)
    }

    pub(super) fn close(&mut self, id: InodeId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.handles = inode.handles.saturating_sub(1);
        }
        self.forget_unused(id);
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let replaced = self.names.find(to).ok();
        self.step(Operation::Rename, |state| state.names.rename(from, to))?;
        replaced.into_iter().for_each(|id| self.forget_unused(id));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let removed = self.names.find(path).ok();
        self.step(Operation::Remove, |state| state.names.remove(path))?;
        removed.into_iter().for_each(|id| self.forget_unused(id));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.counts.dir_syncs += 1;
        self.step(Operation::SyncDir, |state| {
            state.names.sync(dir);
            Ok(())
        })
    }

    pub(super) fn plant(&mut self, path: &Path, content: Vec<u8>) {
        if let Some(parent) = path.parent() {
            self.names.create_dir_all(parent);
        }
        let id = match self.names.find(path) {
            Ok(id) => id,
            Err(_) => {
                let id = self.next_inode;
                self.next_inode += 1;
                self.names.plant(path, id);
                id
            }
        };
        let inode = self.inodes.entry(id).or_default();
        inode.plant(content);
    }

    /// Does `work` unless a fault says otherwise. A planned crash lets it happen first.
    pub(super) fn step<T>(
        &mut self,
        operation: Operation,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.faults.fate(operation)? {
            Fate::Done => work(self),
            Fate::DoneThenCrash => {
                let _ = work(self); // nobody is left to hear how it went
                Err(crashed())
            }
            Fate::Fails(error) => Err(error),
        }
    }

    /// The disk after a power cut.
    pub(super) fn survivor(&self, seed: u64) -> State {
        let mut next = State::new(seed);
        let mut random = SimRandom::new(seed ^ 0x5DEE_CE66_D1CE_CAFE);
        next.capacity = self.capacity;
        next.next_inode = self.next_inode;
        for dir in self.names.dirs() {
            next.names.create_dir_all(dir);
        }
        for (path, id) in self.names.survivor(&mut random) {
            let content = self.inodes.get(&id).map(|inode| inode.survivor(&mut random)).unwrap_or_default();
            next.names.plant(&path, id);
            next.inodes.entry(id).or_default().plant(content);
        }
        next
    }

    fn forget_unused(&mut self, id: InodeId) {
        let open = self.inodes.get(&id).is_some_and(|inode| inode.handles > 0);
        if !open && !self.names.refers_to(id) {
            self.inodes.remove(&id);
        }
    }
}
