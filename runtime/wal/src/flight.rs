//! Appending past the page cache: several writes on their way at a time, each durable by itself.
//!
//! Entries are first given their place, one call after another, and then written by whoever has called, or begun
//! in a queue that tells the end ([`Placed::begin`]), all at once if need be. Whatever order the disk takes them
//! in, they land in the log's: an entry can be read, and counts as durable, when it and everything before it is
//! on disk. At a crash one behind another that did not get there is a torn tail, because no frame calls anything
//! synced that has not landed.
//!
//! Such a write covers whole blocks. A large one is filled up with zeros, which its last frame's header
//! accounts for, so that the next begins with a block of its own and need not wait. A small one would waste
//! too much of the log: the next begins in the same block, so it writes that once more and waits for the
//! one before. The part of the block that is on disk already is written as it is there: a torn write leaves
//! it the same.
//!
//! What is in the page cache already and not synced is synced first; [`append`](crate::writer::append) waits for
//! what is on its way. So the two never meet in a block.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use parking_lot::MutexGuard;
use tidemill_disk::{BLOCK_BYTES, WriteQueue};

use crate::error::Error;
use crate::file::WalFile;
use crate::options::DirectWrites;
use crate::shared::Shared;
use crate::types::{EntryFrame, LogId, Space, Synced};
use crate::writer::{Active, FrameBytes, OpenBlock, Writer, checked_len, publish};

/// From here on filling up the last block costs a sixteenth at most.
const FILLED_UP_BYTES: u64 = 15 * BLOCK_BYTES;

/// Writes on their way, in the order of the log.
#[derive(Default)]
pub(crate) struct Flights {
    queue: VecDeque<Flight>,
    next_id: u64,
}

struct Flight {
    id: u64,
    file: Arc<WalFile>,
    /// One past its last frame.
    end: u64,
    last: LogId,
    /// What is on disk, once it is.
    landed: Option<(Vec<FrameBytes>, Vec<EntryFrame>)>,
}

impl Flights {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// Entries that have their place in the log and are to be written there. Dropped without, they stop the log.
pub struct Placed {
    shared: Arc<Shared>,
    file: Arc<WalFile>,
    id: u64,
    /// Where its first block begins.
    position: u64,
    /// What the first block has before its first frame.
    shared_block: Vec<u8>,
    headers: Vec<FrameBytes>,
    entries: Vec<EntryFrame>,
    zeros: &'static [u8],
    bytes: u64,
    is_over: bool,
}

/// Gives entries their place. When this fails, unless the log has stopped, nothing has changed.
pub(crate) fn place(shared: &Arc<Shared>, entries: Vec<EntryFrame>, space: Space) -> Result<Placed, Error> {
    shared.running()?;
    let writer = shared.writer.lock();
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Err(Error::misuse("there is no entry to be placed"));
    };
    let (first, last) = (first.log_id.index, last.log_id);
    let needed = checked_len(&entries, writer.last)?;
    let mut writer = make_way(shared, writer, first, needed, space)?;
    let Writer { active: Some(active), flights, last: newest, .. } = &mut *writer else {
        return Err(Error::misuse("there is no segment to write to"));
    };
    let shared_block = active.shared_block()?;
    let zeros = active.zeros_behind(needed);
    let padding = if needed >= FILLED_UP_BYTES { zeros.len() as u16 } else { 0 };
    let placed = Placed {
        shared: Arc::clone(shared),
        file: Arc::clone(&active.file),
        id: flights.next_id,
        position: active.end - shared_block.len() as u64,
        shared_block,
        headers: active.frame_headers(&entries, padding),
        entries,
        zeros,
        bytes: needed,
        is_over: false,
    };
    let end = active.end + needed + u64::from(padding);
    active.end = end;
    active.next = last.index + 1;
    active.open_block = OpenBlock { end, bytes: placed.last_bytes((end % BLOCK_BYTES) as usize) };
    *newest = Some(last);
    flights.next_id += 1;
    flights.queue.push_back(Flight {
        id: placed.id,
        file: Arc::clone(&placed.file),
        end,
        last,
        landed: None,
    });
    shared.read_demand.written(needed);
    Ok(placed)
}

/// Sees to it that an entry `first` has its place at the active file's end, waiting for what is on its way if
/// there is none beside that, and that nothing is in the page cache only.
fn make_way<'a>(
    shared: &'a Shared,
    mut writer: MutexGuard<'a, Writer>,
    first: u64,
    needed: u64,
    space: Space,
) -> Result<MutexGuard<'a, Writer>, Error> {
    // With the rest of its last block.
    let room = needed + BLOCK_BYTES;
    if !writer.has_place_beside(first, room, shared.options.segment_bytes) {
        writer = land_all(shared, writer)?;
    }
    writer.turn_over(shared, first, room, space)?;
    let Writer { active, flights, last, durable, .. } = &mut *writer;
    if let Some(active) = active {
        active.make_room(shared, room, space)?;
        if flights.is_empty() && active.synced < active.end {
            active.sync(shared)?;
            *durable = last.map(|last| last.index);
        }
    }
    Ok(writer)
}

/// Whether entries should rather be placed than appended.
pub(crate) fn is_preferred(shared: &Shared) -> bool {
    let can_be = |active: &Active| active.file.disk.has_durable_writes();
    match shared.options.direct_writes {
        DirectWrites::Never => false,
        DirectWrites::WhereUnread if shared.read_demand.is_worthwhile() => false,
        DirectWrites::WhereUnread | DirectWrites::Always => {
            shared.writer.lock().active.as_ref().is_some_and(can_be)
        }
    }
}

/// What stands in the way of entries that are to be placed and written without waiting for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Nothing.
    AtOnce,
    /// What is on its way: once that has landed they can be.
    Behind,
    /// Something else that takes the disk's time: a new segment, a sync, a longer file.
    Blocked,
}

/// What stands in the way of entries from `first` on, with their frames of `needed` bytes.
pub(crate) fn placing(shared: &Shared, first: u64, needed: u64) -> Placing {
    if shared.running().is_err() || !is_preferred(shared) {
        return Placing::Blocked;
    }
    let writer = shared.writer.lock();
    let Some(active) = &writer.active else {
        return Placing::Blocked;
    };
    let has_place = active.has_place(first, needed + BLOCK_BYTES, shared.options.segment_bytes);
    if !has_place || !active.file.disk.has_queued_writes() {
        return Placing::Blocked;
    }
    match (writer.flights.is_empty(), active.end.is_multiple_of(BLOCK_BYTES)) {
        (false, false) => Placing::Behind,
        (true, _) if active.synced < active.end => Placing::Blocked,
        (true, false) if !active.has_open_block() => Placing::Blocked,
        _ => Placing::AtOnce,
    }
}

/// Waits until nothing is on its way.
pub(crate) fn land_all<'a>(
    shared: &'a Shared,
    mut writer: MutexGuard<'a, Writer>,
) -> Result<MutexGuard<'a, Writer>, Error> {
    while !writer.flights.is_empty() {
        shared.running()?;
        shared.landed.wait(&mut writer);
    }
    Ok(writer)
}

impl Placed {
    /// Writes the entries. Blocks until they are on disk; they may be read once everything before them is, too.
    /// Where the disk has no room ([`Error::DiskFull`]) it may be called again; any other failure stops the log
    /// for good.
    pub fn write(&mut self) -> Result<Synced, Error> {
        self.shared.running()?;
        self.is_not_over()?;
        let written = self.write_to_disk();
        self.ended(written)
    }

    fn is_not_over(&self) -> Result<(), Error> {
        if self.is_over { Err(Error::misuse("these entries are written already")) } else { Ok(()) }
    }

    /// Begins what [`Placed::write`] does. Answers whether that was begun: then `queue` tells its end under the name of
    /// `tag`, which [`Placed::ended`] is to be told. Otherwise nothing has happened.
    #[must_use]
    pub fn begin(&self, queue: &WriteQueue, tag: u64) -> bool {
        let bufs: Vec<IoSlice<'_>> = self.content().chain([self.zeros]).map(IoSlice::new).collect();
        !self.is_over && self.file.disk.begin_durable(queue, &bufs, self.position, tag)
    }

    /// The entries are on disk, or cannot be brought there. What [`Placed::write`] says of it holds.
    pub fn ended(&mut self, written: std::io::Result<()>) -> Result<Synced, Error> {
        self.is_not_over()?;
        let written = written.map_err(Error::io("write", &self.file.name));
        if let Err(Error::Io { source, .. }) = &written {
            return Err(self.stop(source));
        }
        written?;
        self.shared.running()?; // else what comes before this may never land
        self.is_over = true;
        let (headers, entries) = (std::mem::take(&mut self.headers), std::mem::take(&mut self.entries));
        Ok(Synced { bytes: self.bytes, upto: land(&self.shared, self.id, headers, entries) })
    }

    /// Stops the log, and whoever waits for this to land.
    fn stop(&self, error: &std::io::Error) -> Error {
        let stopped = self.shared.stop("write", &self.file.name, error);
        drop(self.shared.writer.lock()); // whoever has seen that the log runs waits by now
        self.shared.landed.notify_all();
        stopped
    }

    fn write_to_disk(&self) -> std::io::Result<()> {
        self.shared.disk.crash_point("direct:placed")?;
        let bufs: Vec<IoSlice<'_>> = self.content().chain([self.zeros]).map(IoSlice::new).collect();
        self.file.disk.write_durable(&bufs, self.position)?;
        self.shared.disk.crash_point("direct:written")
    }

    /// All that is written, without the zeros behind it.
    fn content(&self) -> impl Iterator<Item = &[u8]> {
        let frames = self.headers.iter().zip(&self.entries).flat_map(|((_, header), entry)| {
            std::iter::once(&header[..]).chain(entry.parts.iter().map(|part| &part[..]))
        });
        std::iter::once(&self.shared_block[..]).chain(frames)
    }

    /// The last `len` bytes of the content.
    fn last_bytes(&self, len: usize) -> Vec<u8> {
        let whole: usize = self.content().map(<[u8]>::len).sum();
        let mut skip = whole.saturating_sub(len);
        let mut last = Vec::with_capacity(len);
        for piece in self.content() {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            last.extend_from_slice(piece.get(skipped..).unwrap_or_default());
        }
        last
    }
}

impl Drop for Placed {
    /// What comes behind these entries can never land.
    fn drop(&mut self) {
        if !self.is_over {
            self.stop(&std::io::Error::other("entries that had their place were not written"));
        }
    }
}

/// Entries are on disk. Lets readers see what is there without a gap, and answers how far that goes.
fn land(shared: &Shared, id: u64, headers: Vec<FrameBytes>, entries: Vec<EntryFrame>) -> Option<u64> {
    let mut writer = shared.writer.lock();
    let Writer { flights, active, durable, .. } = &mut *writer;
    if let Some(flight) = flights.queue.iter_mut().find(|flight| flight.id == id) {
        flight.landed = Some((headers, entries));
    }
    while let Some(flight) = flights.queue.pop_front_if(|flight| flight.landed.is_some()) {
        let Flight { file, end, last, landed, .. } = flight;
        let (headers, entries) = landed.unwrap_or_default();
        publish(shared, &file, end, last, &headers, entries);
        shared.page_cache.lock().synced(&file, end);
        if let Some(active) = active.as_mut().filter(|active| Arc::ptr_eq(&active.file, &file)) {
            active.synced = end;
        }
        *durable = Some(last.index);
    }
    shared.landed.notify_all();
    *durable
}
