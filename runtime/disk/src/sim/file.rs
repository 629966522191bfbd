//! A simulated file: durable bytes, bytes as they read, and what happened in between.

use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::{Fate, Operation, crashed};
use super::names::InodeId;
use super::random::SimRandom;
use super::state::State;
use crate::{BLOCK_BYTES, DiskFile};

/// What a disk writes atomically.
const SECTOR: usize = 512;

enum Unsynced {
    Write {
        position: usize,
        bytes: Vec<u8>,
    },
    /// Durable by itself, behind something that is not.
    Durable {
        position: usize,
        bytes: Vec<u8>,
    },
    SetLen(usize),
}

/// A file's content.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    pub(super) handles: u64,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

impl Inode {
    pub(super) fn with_handle() -> Inode {
        Inode { handles: 1, ..Inode::default() }
    }

    pub(super) fn plant(&mut self, content: Vec<u8>) {
        self.durable.clone_from(&content);
        self.current = content;
        self.unsynced.clear();
    }

    /// What a crash leaves of the file.
    pub(super) fn survivor(&self, random: &mut SimRandom) -> Vec<u8> {
        let mut content = self.durable.clone();
        let mood = random.below(4); // everything kept, everything lost, or each write for itself
        for unsynced in &self.unsynced {
            let luck = if mood < 2 { mood } else { random.below(4) };
            match unsynced {
                Unsynced::SetLen(len) if luck != 1 => content.resize(*len, 0),
                Unsynced::SetLen(_) => {}
                Unsynced::Write { position, bytes } => survive(&mut content, *position, bytes, luck, random),
                Unsynced::Durable { position, bytes } => overwrite(&mut content, *position, bytes),
            }
        }
        content
    }

    fn write(&mut self, position: usize, bytes: Vec<u8>) {
        overwrite(&mut self.current, position, &bytes);
        self.unsynced.push(Unsynced::Write { position, bytes });
    }

    /// A write is durable now, whatever else is not.
    fn settle(&mut self, at: usize, written: &[u8]) {
        let is_it = |unsynced: &Unsynced| matches!(unsynced, Unsynced::Write { position, bytes } if *position == at && bytes == written);
        let Some(nth) = self.unsynced.iter().rposition(is_it) else {
            return; // something else has synced the file meanwhile
        };
        if let Some(slot) = self.unsynced.get_mut(nth) {
            *slot = Unsynced::Durable { position: at, bytes: written.to_vec() };
        }
        while let Some(Unsynced::Durable { .. }) = self.unsynced.first() {
            if let Unsynced::Durable { position, bytes } = self.unsynced.remove(0) {
                overwrite(&mut self.durable, position, &bytes);
            }
        }
    }

    fn set_len(&mut self, len: usize) {
        self.current.resize(len, 0);
        self.unsynced.push(Unsynced::SetLen(len));
    }

    fn sync(&mut self) {
        for unsynced in std::mem::take(&mut self.unsynced) {
            match unsynced {
                Unsynced::SetLen(len) => self.durable.resize(len, 0),
                Unsynced::Write { position, bytes } | Unsynced::Durable { position, bytes } => {
                    overwrite(&mut self.durable, position, &bytes);
                }
            }
        }
    }

    /// The failed sync has dropped an unknown part, and nobody will write it again.
    fn fail_sync(&mut self, random: &mut SimRandom) {
        self.durable = self.survivor(random);
        self.unsynced.clear();
    }
}

fn survive(content: &mut Vec<u8>, position: usize, bytes: &[u8], luck: u64, random: &mut SimRandom) {
    match luck {
        0 => overwrite(content, position, bytes),
        1 => {
            let end = position + bytes.len();
            if random.one_in(4) && content.len() < end {
                content.resize(end, 0); // the length made it to the disk, the data did not
            }
        }
        _ => {
            let only_front = random.one_in(2).then(|| random.below(bytes.len() as u64 + 1) as usize);
            let mut start = 0;
            while start < bytes.len() {
                let sector_end = ((position + start) / SECTOR + 1) * SECTOR - position;
                let end = sector_end.min(bytes.len());
                let kept = only_front.map_or_else(|| random.one_in(2), |front| end <= front);
                if kept {
                    overwrite(content, position + start, bytes.get(start..end).unwrap_or_default());
                }
                start = end;
            }
        }
    }
}

fn overwrite(content: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(target) = content.get_mut(position..end) {
        target.copy_from_slice(bytes);
    }
}

/// An open simulated file.
pub(super) struct SimFile {
    state: Arc<Mutex<State>>,
    inode: InodeId,
}

impl SimFile {
    pub(super) fn new(state: Arc<Mutex<State>>, inode: InodeId) -> SimFile {
        SimFile { state, inode }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.state.lock().close(self.inode);
    }
}

/// Waits as long as the plan says this operation takes, without holding the disk.
pub(super) fn pause(state: &Mutex<State>, operation: Operation) {
    let delay = state.lock().faults.delays.get(&operation).copied();
    if let Some(delay) = delay {
        std::thread::sleep(delay);
    }
}

impl DiskFile for SimFile {
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        pause(&self.state, Operation::Read);
        let mut state = self.state.lock();
        state.counts.reads += 1;
        state.step(Operation::Read, |state| {
            let content = &state.inode(self.inode)?.current;
            let start = to_usize(position)?;
            let wanted = start.checked_add(buf.len()).and_then(|end| content.get(start..end));
            buf.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_all_at(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        pause(&self.state, Operation::Write);
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        let position = to_usize(position)?;
        let mut state = self.state.lock();
        state.counts.writes += 1;
        let fate = state.faults.fate(Operation::Write)?;
        let room = state.free_bytes();
        let partly = match fate {
            Fate::Fails(_) => state.random.below(bytes.len() as u64 + 1) as usize,
            _ => bytes.len(),
        };
        let inode = state.inode_mut(self.inode)?;
        let fits = usize::try_from(room).unwrap_or(usize::MAX);
        let fits = inode.current.len().saturating_add(fits).saturating_sub(position);
        let wanted = bytes.len();
        let written: Vec<u8> = bytes.into_iter().take(partly.min(fits)).collect();
        let count = written.len();
        if count > 0 {
            inode.write(position, written);
        }
        state.counts.bytes_written += count as u64;
        match fate {
            Fate::Fails(error) => Err(error),
            Fate::DoneThenCrash => Err(crashed()),
            Fate::Done if count < wanted => Err(io::ErrorKind::StorageFull.into()),
            Fate::Done => Ok(()),
        }
    }

    fn has_durable_writes(&self) -> bool {
        true
    }

    /// Until it is over, a crash may leave anything of it; then, all of it.
    fn write_durable(&self, bufs: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        if !(position | bytes.len() as u64).is_multiple_of(BLOCK_BYTES) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.write_all_at(bufs, position)?;
        pause(&self.state, Operation::Sync);
        let mut state = self.state.lock();
        state.faults.alive()?;
        state.inode_mut(self.inode)?.settle(to_usize(position)?, &bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        pause(&self.state, Operation::Sync);
        let mut state = self.state.lock();
        state.counts.syncs += 1;
        match state.faults.fate(Operation::Sync)? {
            Fate::Done => {
                state.inode_mut(self.inode)?.sync();
                Ok(())
            }
            // The machine may die at any moment of the sync: leave the outcome to the survivor.
            Fate::DoneThenCrash => Err(crashed()),
            Fate::Fails(error) => {
                let mut random = SimRandom::new(state.random.next_u64());
                state.inode_mut(self.inode)?.fail_sync(&mut random);
                Err(error)
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock();
        state.faults.alive()?;
        Ok(state.inode(self.inode)?.current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        pause(&self.state, Operation::SetLen);
        let mut state = self.state.lock();
        state.step(Operation::SetLen, |state| {
            let room = state.free_bytes();
            let inode = state.inode_mut(self.inode)?;
            if len > (inode.current.len() as u64).saturating_add(room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inode.set_len(to_usize(len)?);
            Ok(())
        })
    }
}

fn to_usize(n: u64) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::ErrorKind::InvalidInput.into())
}
