//! Files whose blocks were written before, for the next segments.
//!
//! A write to space that was only reserved makes the file system change an extent's state with every
//! sync; a write over written blocks is a write, and its sync a flush of the disk. So a segment that
//! may go becomes the next segment, and where a log grows its owner has a file of zeros made meanwhile, piece by
//! piece ([`Wal::write_spare`](crate::Wal::write_spare)).
//!
//! - A spare is `spare-<n>.tmp`, so that an open removes what a crash has left of it.
//! - A segment's old name is gone durably before anything is written to its bytes: no crash brings the
//!   name back with the bytes of another segment.
//! - What is left of the old segment reads as a torn tail of the new one, whose salt is another.
//! - Spares count towards the log's size and are the first to go when room is short.

use std::sync::Arc;

use tidemill_disk::DiskFile;

use crate::error::Error;
use crate::names::{FileId, TEMPORARY};
use crate::shared::Shared;
use crate::types::Space;

/// A spare is written in so many pieces, none smaller than the other figure.
const PIECES: u64 = 128;
const SMALLEST_PIECE: u64 = 4 << 10;

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
    /// The one that is being made. Not here while a piece of it is written.
    making: Option<Spare>,
    is_writing: bool,
    /// What is being made is to go as soon as its piece is written.
    is_unwanted: bool,
    next: u64,
    /// While this segment is the active one, none is made any more: there was no room.
    given_up_at: Option<FileId>,
}

impl Spares {
    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.ready.iter().chain(&self.making).map(|spare| spare.bytes).sum()
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
    shared.spares.lock().ready.pop()
}

/// Whether some of a spare should be written now. One is begun when half of the active segment is
/// full and none has come from a segment that may go; it is to be complete somewhat before the other
/// half is full, and not much earlier, so that the disk is never kept busy with it at a stretch. Where it
/// was not, it goes on in the second half of the next segment.
pub(crate) fn is_due(shared: &Shared) -> bool {
    let (active, filled) = {
        let index = shared.index.read();
        let active = index.active();
        (active, active.and_then(|id| index.files.get(&id)).map_or(0, |state| state.end))
    };
    let half = shared.options.segment_bytes / 2;
    let spares = shared.spares.lock();
    if shared.options.spare_files == 0 || spares.is_writing || !spares.ready.is_empty() {
        return false;
    }
    match &spares.making {
        Some(making) => making.bytes <= filled.saturating_sub(half).saturating_mul(5) / 2,
        None => active.is_some() && spares.given_up_at != active && filled >= half,
    }
}

/// Writes a piece of a spare, if one is due and there is room for it. Answers how many bytes.
pub(crate) fn write_some(shared: &Shared) -> Result<u64, Error> {
    shared.running()?;
    if !is_due(shared) {
        return Ok(0);
    }
    let (making, name) = {
        let mut spares = shared.spares.lock();
        if std::mem::replace(&mut spares.is_writing, true) {
            return Ok(0);
        }
        (spares.making.take(), spares.name())
    };
    let before = making.as_ref().map_or(0, |making| making.bytes);
    let written = match making {
        Some(making) => write_piece(shared, making).map(Some),
        None => {
            begin(shared, name).and_then(|begun| begun.map(|making| write_piece(shared, making)).transpose())
        }
    };
    let active = shared.index.read().active();
    let mut spares = shared.spares.lock();
    spares.is_writing = false;
    let is_unwanted = std::mem::take(&mut spares.is_unwanted);
    let making = match written {
        Ok(Some(making)) => making,
        Ok(None) => {
            spares.given_up_at = active;
            return Ok(0);
        }
        Err(error) => {
            spares.given_up_at = active;
            return Err(error);
        }
    };
    let bytes = making.bytes - before;
    if is_unwanted {
        drop(spares);
        shared.remove(&making.name)?;
    } else if making.bytes < shared.options.segment_bytes {
        spares.making = Some(making);
    } else {
        spares.ready.push(making);
    }
    Ok(bytes)
}

/// Makes an empty file, if there is room for a whole one.
fn begin(shared: &Shared, name: String) -> Result<Option<Spare>, Error> {
    let room = shared.options.segment_bytes.saturating_add(shared.options.spare_reserve_bytes);
    if shared.permit(0, room, room, Space::Normal).is_err() {
        return Ok(None);
    }
    let file = shared.disk.create(&shared.dir.join(&name)).map_err(Error::io("create", &name))?;
    Ok(Some(Spare { name, file, bytes: 0 }))
}

/// The last piece is followed by a sync of all: in between they would only hold others up.
fn write_piece(shared: &Shared, mut making: Spare) -> Result<Spare, Error> {
    let whole = shared.options.segment_bytes;
    let Spare { name, file, bytes } = &mut making;
    *bytes = bytes.saturating_add((whole / PIECES).max(SMALLEST_PIECE)).min(whole);
    let written = file.allocate_written(*bytes);
    let written = if *bytes == whole { written.and_then(|()| file.sync_data()) } else { written };
    if let Err(error) = written {
        let _ = shared.disk.remove(&shared.dir.join(&*name)); // left over for the next open to remove
        return Err(Error::io("write", name)(error));
    }
    Ok(making)
}

/// A new name for a segment that may go, if it is to be kept. Called for one that nobody reads.
pub(crate) fn name_for(shared: &Shared, bytes: u64, pending: usize) -> Option<String> {
    let mut spares = shared.spares.lock();
    let making = usize::from(spares.is_writing || spares.making.is_some());
    let has_place = spares.ready.len() + making + pending < shared.options.spare_files;
    (has_place && bytes >= shared.options.segment_bytes / 2).then(|| spares.name())
}

/// Adds segments whose old names are durably gone.
pub(crate) fn add(shared: &Shared, recycled: Vec<Spare>) {
    shared.spares.lock().ready.extend(recycled);
}

/// Removes all spares. Whether there were any.
pub(crate) fn give_up(shared: &Shared) -> Result<bool, Error> {
    let active = shared.index.read().active();
    let given_up: Vec<Spare> = {
        let mut spares = shared.spares.lock();
        spares.is_unwanted = spares.is_writing;
        spares.given_up_at = active;
        let making = spares.making.take();
        std::mem::take(&mut spares.ready).into_iter().chain(making).collect()
    };
    for spare in &given_up {
        shared.remove(&spare.name)?;
    }
    Ok(!given_up.is_empty())
}
