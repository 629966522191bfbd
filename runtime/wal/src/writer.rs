//! Appending: frames go to the end of the newest segment, which is replaced when it is large enough.
//!
//! A segment is closed only after a sync, and its successor exists durably before anything is written
//! to it. So at any crash only the newest segment can have an unsynced tail of entries.

use std::io::IoSlice;
use std::sync::Arc;

use tidemill_disk::BLOCK_BYTES;

use crate::error::Error;
use crate::file::WalFile;
use crate::flight::{Flights, land_all};
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, MAX_PAYLOAD_BYTES, crc_of};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::index::{FileState, OpenExtents};
use crate::names::FileId;
use crate::shared::Shared;
use crate::spare;
use crate::types::{EntryFrame, LogId, Space, StoredEntry, Synced};

#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) active: Option<Active>,
    /// The last entry, or the purge position beyond it.
    pub(crate) last: Option<LogId>,
    /// The last entry that is durable with all before it, as far as is known.
    pub(crate) durable: Option<u64>,
    /// What is written past the page cache and has not landed.
    pub(crate) flights: Flights,
    /// Counts truncations, after which a sync that began before says nothing.
    pub(crate) cuts: u64,
}

/// A frame's position and its header.
pub(crate) type FrameBytes = (u64, [u8; FRAME_HEADER_BYTES]);

/// The segment that is appended to.
pub(crate) struct Active {
    pub(crate) file: Arc<WalFile>,
    /// One past its last frame.
    pub(crate) end: u64,
    /// Its length on disk; zeros, or what is left of another segment, from `end` on.
    pub(crate) allocated: u64,
    /// Everything below was synced.
    pub(crate) synced: u64,
    /// The index that its next entry must have.
    pub(crate) next: u64,
    pub(crate) open_block: OpenBlock,
}

/// What a file's last block has, if it is known: whoever writes the whole block past the page cache needs it.
#[derive(Default)]
pub(crate) struct OpenBlock {
    /// One past its last byte.
    pub(crate) end: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Appends entries. When this fails, unless the log has stopped, nothing was appended.
pub(crate) fn append(shared: &Shared, entries: Vec<EntryFrame>, space: Space) -> Result<(), Error> {
    shared.running()?;
    let mut writer = land_all(shared, shared.writer.lock())?;
    let Some(first) = entries.first().map(|entry| entry.log_id.index) else {
        return Ok(());
    };
    let needed = checked_len(&entries, writer.last)?;
    writer.turn_over(shared, first, needed, space)?;
    let Some(active) = &mut writer.active else {
        return Ok(());
    };
    active.make_room(shared, needed, space)?;
    let headers = active.frame_headers(&entries, 0);
    let zeros = active.zeros_behind(needed);
    let frames = headers.iter().zip(&entries).flat_map(|((_, header), entry)| {
        let parts = entry.parts.iter().map(|part| IoSlice::new(part));
        std::iter::once(IoSlice::new(header)).chain(parts)
    });
    let bufs: Vec<IoSlice<'_>> = frames.chain([IoSlice::new(zeros)]).collect();
    if let Err(error) = active.file.disk.write_all_at(&bufs, active.end) {
        return Err(active.undo(shared, error));
    }
    shared.crash_point("append:written")?;
    active.end += needed;
    active.next = first + entries.len() as u64;
    let (file, end) = (Arc::clone(&active.file), active.end);
    shared.read_demand.written(needed);
    if let Some(last) = entries.last().map(|entry| entry.log_id) {
        writer.last = Some(last);
        publish(shared, &file, end, last, &headers, entries);
    }
    Ok(())
}

/// Makes everything appended so far durable.
pub(crate) fn sync(shared: &Shared) -> Result<Synced, Error> {
    shared.running()?;
    let (file, before, end, last, cuts) = {
        let mut writer = shared.writer.lock();
        let Writer { active, last, durable, flights, cuts } = &mut *writer;
        match active {
            // Before anything took off, what had been appended was synced.
            _ if !flights.is_empty() => return Ok(Synced { bytes: 0, upto: *durable }),
            Some(active) if active.synced < active.end => {
                (Arc::clone(&active.file), active.synced, active.end, *last, *cuts)
            }
            _ => {
                *durable = last.map(|last| last.index);
                return Ok(Synced { bytes: 0, upto: *durable });
            }
        }
    };
    shared.sync_file(&file)?;
    shared.page_cache.lock().synced(&file, end);
    shared.crash_point("append:synced")?;
    let mut writer = shared.writer.lock();
    if writer.cuts == cuts {
        writer.durable = writer.durable.max(last.map(|last| last.index));
        if let Some(active) = writer.active.as_mut().filter(|active| Arc::ptr_eq(&active.file, &file)) {
            active.synced = active.synced.max(end);
        }
    }
    Ok(Synced { bytes: end - before, upto: writer.durable })
}

/// How long a new segment is made. Spares that are no use for it go where room is short.
fn permit(shared: &Shared, need: u64, wish: u64, space: Space) -> Result<u64, Error> {
    let have = shared.spares.lock().next_bytes();
    let target = shared.permit(have, need, wish, space);
    if target.is_err() && spare::give_up(shared)? {
        return shared.permit(0, need, wish, space);
    }
    target
}

/// Length of the entries' frames, if the entries follow one another and `last`.
pub(crate) fn checked_len(entries: &[EntryFrame], last: Option<LogId>) -> Result<u64, Error> {
    let mut before = last;
    let mut needed = 0;
    for entry in entries {
        if before.is_some_and(|before| before.index.checked_add(1) != Some(entry.log_id.index)) {
            return Err(Error::misuse(format!("entry {:?} does not follow {before:?}", entry.log_id)));
        }
        before = Some(entry.log_id);
        let len = entry.payload_len();
        if len > MAX_PAYLOAD_BYTES {
            return Err(Error::misuse(format!("an entry of {len} bytes is larger than {MAX_PAYLOAD_BYTES}")));
        }
        needed += entry.frame_bytes() as u64;
    }
    Ok(needed)
}

impl Writer {
    /// Sees to it that the active file may take an entry `first`: makes a new one if there is none, if
    /// it is full, or if the log has jumped.
    pub(crate) fn turn_over(
        &mut self,
        shared: &Shared,
        first: u64,
        needed: u64,
        space: Space,
    ) -> Result<(), Error> {
        if let Some(active) = &mut self.active {
            if active.goes_on_with(first, shared.options.segment_bytes) {
                return Ok(());
            }
            active.close(shared)?;
            self.durable = self.last.map(|last| last.index);
        }
        let need = FILE_HEADER_BYTES + needed;
        let wish = need.max(shared.options.allocate_bytes.min(shared.options.segment_bytes));
        let target = permit(shared, need, wish, space)?;
        let id = FileId::Segment(first);
        let header = FileHeader {
            id,
            journal_id: shared.options.journal_id,
            salt: shared.options.salt ^ first.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            previous: self.last,
        };
        let spare = spare::take(shared);
        let target = target.max(spare.as_ref().map_or(0, |spare| spare.bytes));
        let (disk, dir) = (shared.disk.as_ref(), shared.dir.as_path());
        let file = Arc::new(match spare {
            Some(spare) => WalFile::reuse(disk, dir, &header, target, spare)?,
            None => WalFile::create(disk, dir, &header, target)?,
        });
        shared.crash_point("segment:unnamed")?;
        shared.publish(&file)?;
        shared.crash_point("segment:created")?;
        let state = FileState {
            file: Arc::clone(&file),
            bytes: target,
            index_log_bytes: 0,
            end: FILE_HEADER_BYTES,
            last: None,
            positions: Some(Vec::new()),
            open: Some(OpenExtents::default()),
            live_bytes: 0,
        };
        shared.index.write().files.insert(id, state);
        self.active = Some(Active {
            file,
            end: FILE_HEADER_BYTES,
            allocated: target,
            synced: FILE_HEADER_BYTES,
            next: first,
            open_block: OpenBlock::default(),
        });
        Ok(())
    }

    /// Whether an entry `first` may be placed while others are on their way: in the same segment, in a block
    /// of its own, without changing the file's length.
    pub(crate) fn has_place_beside(&self, first: u64, room: u64, segment_bytes: u64) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.has_place(first, room, segment_bytes) && active.end.is_multiple_of(BLOCK_BYTES)
        })
    }
}

/// Lets readers see what was written up to `end` of the file.
pub(crate) fn publish(
    shared: &Shared,
    file: &WalFile,
    end: u64,
    last: LogId,
    headers: &[FrameBytes],
    entries: Vec<EntryFrame>,
) {
    let mut index = shared.index.write();
    index.last = Some(last);
    if let Some(state) = index.files.get_mut(&file.id) {
        state.end = end;
        state.last = Some(last);
        state.positions.get_or_insert_default().extend(headers.iter().map(|(position, _)| *position));
    }
    drop(index);
    let mut cache = shared.cache.lock();
    for (entry, (position, _)) in entries.into_iter().zip(headers) {
        let EntryFrame { log_id, parts } = entry;
        let payload_at = position + FRAME_HEADER_BYTES as u64;
        cache.push(file.id.number(), payload_at, StoredEntry { log_id, parts });
    }
}

/// What file systems and disks read and write at least, and keep in memory.
const BLOCK: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

impl Active {
    /// Whether an entry `first` belongs in this file and not in one that follows it.
    fn goes_on_with(&self, first: u64, segment_bytes: u64) -> bool {
        self.next == first && self.end < segment_bytes
    }

    /// Whether an entry `first` may be placed here without changing the file's length.
    pub(crate) fn has_place(&self, first: u64, room: u64, segment_bytes: u64) -> bool {
        self.goes_on_with(first, segment_bytes) && self.end + room <= self.allocated
    }

    /// What the block that the next frame begins in has already.
    pub(crate) fn shared_block(&self) -> Result<Vec<u8>, Error> {
        let len = (self.end % BLOCK_BYTES) as usize;
        if self.has_open_block() {
            return Ok(self.open_block.bytes.clone());
        }
        Ok(self.file.read(self.end - len as u64, len)?.to_vec())
    }

    /// Whether that is in memory.
    pub(crate) fn has_open_block(&self) -> bool {
        let len = (self.end % BLOCK_BYTES) as usize;
        self.open_block.end == self.end && self.open_block.bytes.len() == len
    }

    /// Zeros from behind `needed` more bytes to the end of their last block, as far as the file goes.
    /// A block that is not in memory and is written in part would have to be read from disk first.
    pub(crate) fn zeros_behind(&self, needed: u64) -> &'static [u8] {
        let end = self.end + needed;
        let padded = end.next_multiple_of(BLOCK_BYTES).min(self.allocated);
        BLOCK.get(..padded.saturating_sub(end) as usize).unwrap_or_default()
    }

    /// Headers of the frames of `entries`, the last of which is followed by `padding`.
    pub(crate) fn frame_headers(&self, entries: &[EntryFrame], padding: u16) -> Vec<FrameBytes> {
        let mut position = self.end;
        let frames = entries.iter().enumerate().map(|(nth, entry)| {
            let header = FrameHeader {
                kind: FrameKind::Entry,
                payload_len: entry.payload_len() as u32,
                payload_crc: crc_of(entry.parts.iter().map(|part| &part[..])),
                log_id: entry.log_id,
                synced_upto: self.synced,
                padding: if nth + 1 == entries.len() { padding } else { 0 },
            };
            let at = position;
            position += header.frame_len();
            (at, header.encode(self.file.salt, at))
        });
        frames.collect()
    }

    /// Takes space for `needed` more bytes, and some ahead: a write inside the file's length makes for
    /// a cheaper sync.
    pub(crate) fn make_room(&mut self, shared: &Shared, needed: u64, space: Space) -> Result<(), Error> {
        let need = self.end + needed;
        if need <= self.allocated {
            return Ok(());
        }
        let ahead = self.allocated.saturating_add(shared.options.allocate_bytes);
        let wish = need.max(ahead.min(shared.options.segment_bytes));
        let mut target = shared.permit(self.allocated, need, wish, space);
        if target.is_err() && spare::give_up(shared)? {
            target = shared.permit(self.allocated, need, wish, space);
        }
        let target = target?;
        if let Err(error) = self.file.disk.allocate(target) {
            return Err(self.undo(shared, error));
        }
        self.set_allocated(shared, target);
        Ok(())
    }

    /// Takes back a write that failed, so that nothing of it can come to life after a crash.
    fn undo(&mut self, shared: &Shared, error: std::io::Error) -> Error {
        if let Err(error) = self.file.disk.set_len(self.end) {
            return shared.stop("take back a failed write to", &self.file.name, &error);
        }
        if let Err(error) = shared.sync_file(&self.file) {
            return error;
        }
        self.synced = self.end;
        self.set_allocated(shared, self.end);
        Error::io("write", &self.file.name)(error)
    }

    /// Gives back space that was taken ahead, and syncs for the last time.
    fn close(&mut self, shared: &Shared) -> Result<(), Error> {
        let has_more = self.allocated > self.end;
        if has_more {
            self.file.disk.set_len(self.end).map_err(Error::io("cut", &self.file.name))?;
            self.set_allocated(shared, self.end);
        }
        if has_more || self.synced < self.end {
            self.sync(shared)?;
        }
        Ok(())
    }

    /// Makes all of it durable.
    pub(crate) fn sync(&mut self, shared: &Shared) -> Result<(), Error> {
        shared.sync_file(&self.file)?;
        shared.page_cache.lock().synced(&self.file, self.end);
        self.synced = self.end;
        Ok(())
    }

    pub(crate) fn set_allocated(&mut self, shared: &Shared, allocated: u64) {
        self.allocated = allocated;
        if let Some(state) = shared.index.write().files.get_mut(&self.file.id) {
            state.bytes = allocated;
        }
    }
}
