//! Files whose blocks were written before, for the next segments.
//!
//! A write to space that was only reserved makes the file system change an extent's state with every
//! sync; a write over written blocks is a write, and its sync a flush of the disk. So a segment that
//! may go becomes the next segment, and where a log grows its owner has a file of zeros made in time
//! ([`Wal::prepare_spare`](crate::Wal::prepare_spare)).
//!
//! - A spare is `spare-<n>.tmp`, so that an open removes what a crash has left of it.
//! - A segment's old name is gone durably before anything is written to its bytes: no crash brings the
//!   name back with the bytes of another segment.
//! - What is left of the old segment reads as a torn tail of the new one, whose salt is another.
//! - Spares count towards the log's size and are the first to go when room is short.

use std::sync::Arc;

use tidemill_disk::DiskFile;

use crate::error::Error;
use crate::names::TEMPORARY;
use crate::shared::Shared;
use crate::types::Space;

/// A file that waits to become a segment.
pub(crate) struct Spare {
    /// Its temporary name.
    pub(crate) name: String,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u64,
}

/// The spares of a log.
#[derive(Default)]
pub(crate) struct Spares {
    ready: Vec<Spare>,
    next: u64,
    /// A segment had to be made without one.
    missed: bool,
    preparing: bool,
}

impl Spares {
    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.ready.iter().map(|spare| spare.bytes).sum()
    }

    /// Bytes of the one that [`take`] would give.
    pub(crate) fn next_bytes(&self) -> u64 {
        self.ready.last().map_or(0, |spare| spare.bytes)
    }

    fn name(&mut self) -> String {
        self.next += 1;
        format!("spare-{}{TEMPORARY}", self.next)
    }
}

/// Takes a spare for the next segment.
pub(crate) fn take(shared: &Shared) -> Option<Spare> {
    let mut spares = shared.spares.lock();
    let spare = spares.ready.pop();
    spares.missed = spare.is_none();
    spare
}

/// Whether one should be made before the active segment is full.
pub(crate) fn is_wanted(shared: &Shared) -> bool {
    let spares = shared.spares.lock();
    shared.options.spare_files > 0 && spares.missed && !spares.preparing && spares.ready.is_empty()
}

/// Makes a file of zeros, unless there is no room for one.
pub(crate) fn prepare(shared: &Shared) -> Result<(), Error> {
    shared.running()?;
    let name = {
        let mut spares = shared.spares.lock();
        if spares.preparing || !spares.ready.is_empty() {
            return Ok(());
        }
        spares.preparing = true;
        spares.missed = false;
        spares.name()
    };
    let made = make(shared, name);
    let mut spares = shared.spares.lock();
    spares.preparing = false;
    spares.ready.extend(made?);
    Ok(())
}

fn make(shared: &Shared, name: String) -> Result<Option<Spare>, Error> {
    let bytes = shared.options.segment_bytes;
    let room = bytes.saturating_add(shared.options.spare_reserve_bytes);
    if shared.permit(0, room, room, Space::Normal).is_err() {
        return Ok(None);
    }
    let path = shared.dir.join(&name);
    let file = shared.disk.create(&path).map_err(Error::io("create", &name))?;
    let written = file.allocate_written(bytes).and_then(|()| file.sync_data());
    if let Err(error) = written {
        let _ = shared.disk.remove(&path); // left over for the next open to remove
        return Err(Error::io("write", &name)(error));
    }
    Ok(Some(Spare { name, file, bytes }))
}

/// A new name for a segment that may go, if it is to be kept. Called for one that nobody reads.
pub(crate) fn name_for(shared: &Shared, bytes: u64, pending: usize) -> Option<String> {
    let mut spares = shared.spares.lock();
    let has_place = spares.ready.len() + pending < shared.options.spare_files;
    (has_place && bytes >= shared.options.segment_bytes / 2).then(|| spares.name())
}

/// Adds segments whose old names are durably gone.
pub(crate) fn add(shared: &Shared, recycled: Vec<Spare>) {
    shared.spares.lock().ready.extend(recycled);
}

/// Removes all spares. Whether there were any.
pub(crate) fn give_up(shared: &Shared) -> Result<bool, Error> {
    let given_up = std::mem::take(&mut shared.spares.lock().ready);
    for spare in &given_up {
        shared.remove(&spare.name)?;
    }
    Ok(!given_up.is_empty())
}
