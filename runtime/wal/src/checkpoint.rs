//! Making the hot index durable, so that a recovery need not apply entries older than its checkpoint.
//!
//! A closed file whose entries are all applied gets a footer. For the file that is applied in part, the
//! batches indexed since the last time go into its *index log* (`<first index>.idx`): a numbered file
//! whose frames are of type index, with the applied index as log id and this payload per batch:
//! topic id 16, partition 4, extent 36 (`extent.rs`). When the file gets its footer, its index log goes.
//!
//! Footers are written oldest file first and before the index log of a later file. A recovery that
//! finds it otherwise knows that something was lost.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use uuid::Uuid;

use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{FrameHeader, FrameKind, crc_of};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::hot::extent::BatchExtent;
use crate::hot::footer::{self, Section};
use crate::index::Unsaved;
use crate::names::FileId;
use crate::shared::Shared;
use crate::types::{LogId, WalPartition};

/// What index checkpoints, reclaiming and relocation have to themselves.
#[derive(Default)]
pub(crate) struct Maintenance {
    pub(crate) index_log: Option<IndexLog>,
    pub(crate) next_relocation: u64,
    /// The index is durable up to here.
    pub(crate) indexed: Option<u64>,
    /// Files found unreadable, of which nothing is counted or moved any more: the others have to go on.
    pub(crate) damaged: BTreeSet<FileId>,
}

impl Maintenance {
    /// Leaves out a file that could not be read; any other error stays one.
    pub(crate) fn leave_out(&mut self, id: FileId, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::Corrupt { .. } | Error::Io { .. }) {
            return Err(error);
        }
        tracing::error!(%error, file = id.name(), "the file stays as long as anything in it is needed");
        self.damaged.insert(id);
        Ok(())
    }
}

/// The index log of the file that is applied in part.
pub(crate) struct IndexLog {
    pub(crate) file: WalFile,
    pub(crate) end: u64,
}

/// Makes the index of entries up to `applied` durable.
pub(crate) fn checkpoint_index(shared: &Shared, applied: u64) -> Result<(), Error> {
    shared.running()?;
    let mut maintenance = shared.maintenance.lock();
    let closed: Vec<FileId> = {
        let index = shared.index.read();
        if index.last.is_none_or(|last| last.index < applied) {
            return Err(Error::misuse(format!("entry {applied} cannot be applied, it is not in the log")));
        }
        let active = index.active();
        let segments = index.files.iter().filter(|(id, _)| matches!(id, FileId::Segment(_)));
        let due = segments.filter(|(id, state)| {
            Some(**id) != active && state.open.is_some() && state.last_index() <= applied
        });
        due.map(|(id, _)| *id).collect()
    };
    for id in closed {
        write_footer(shared, &mut maintenance, id)?;
    }
    if maintenance.indexed.is_none_or(|indexed| indexed < applied) {
        extend_index_log(shared, &mut maintenance, applied)?;
        maintenance.indexed = Some(applied);
    }
    Ok(())
}

fn write_footer(shared: &Shared, maintenance: &mut Maintenance, id: FileId) -> Result<(), Error> {
    let (file, position, last, sections) = {
        let index = shared.index.read();
        let Some(state) = index.files.get(&id) else {
            return Ok(());
        };
        let Some(open) = &state.open else { return Ok(()) };
        let sections = open.by_partition.iter();
        let sections = sections.map(|(id, extents)| Section { partition: *id, extents: Arc::clone(extents) });
        (Arc::clone(&state.file), state.end, state.last, sections.collect())
    };
    let encoded = footer::encode(&file, position, last, sections);
    let header = footer::frame_header(&encoded.payload, last, position);
    let bytes = position + header.frame_len();
    let header = header.encode(file.salt, position);
    let bufs = [IoSlice::new(&header), IoSlice::new(&encoded.payload)];
    let written = file.disk.write_all_at(&bufs, position).and_then(|()| file.disk.set_len(bytes));
    if let Err(error) = written {
        // A footer in pieces behind the last entry does no harm, but takes space.
        let _ = file.disk.set_len(position);
        if let (Ok(len), Some(state)) = (file.len(), shared.index.write().files.get_mut(&id)) {
            state.bytes = len;
        }
        return Err(Error::io("write the footer of", &file.name)(error));
    }
    shared.crash_point("footer:written")?;
    shared.sync_file(&file)?;
    shared.crash_point("footer:synced")?;
    {
        let mut guard = shared.index.write();
        let index = &mut *guard;
        for (partition, with_section) in encoded.spans {
            let spans = index.partitions.get_mut(&partition).map(|partition| partition.spans.iter_mut());
            for span in spans.into_iter().flatten().filter(|span| span.file == id) {
                span.section = with_section.section;
            }
        }
        let purged = index.purged.map_or(0, |purged| purged.index);
        if let Some(state) = index.files.get_mut(&id) {
            state.open = None;
            state.bytes = bytes;
            state.index_log_bytes = 0;
            if state.last_index() <= purged {
                state.positions = None;
            }
        }
    }
    maintenance.index_log.take_if(|log| log.file.id.number() == id.number());
    maintenance.indexed = maintenance.indexed.max(last.map(|last| last.index));
    shared.remove(&FileId::IndexLog(id.number()).name())
}

fn extend_index_log(shared: &Shared, maintenance: &mut Maintenance, applied: u64) -> Result<(), Error> {
    let (id, mut batches) = {
        let mut index = shared.index.write();
        let id = index.segment_with(applied).map(|state| state.file.id);
        let state = id.and_then(|id| index.files.get_mut(&id));
        // No such segment: the log jumped to a snapshot, which has no batches here.
        let Some(state) = state else { return Ok(()) };
        let Some(open) = &mut state.open else {
            return Ok(());
        };
        (state.file.id, std::mem::take(&mut open.unsaved))
    };
    let known = batches.partition_point(|unsaved| unsaved.entry_index <= applied);
    let newer = batches.split_off(known);
    let saved = save_batches(shared, maintenance, id, applied, &batches);
    let mut left = if saved.is_ok() { newer } else { [batches, newer].concat() };
    if let Some(state) = shared.index.write().files.get_mut(&id) {
        state.index_log_bytes = maintenance.index_log.as_ref().map_or(0, |log| log.end);
        if let Some(open) = &mut state.open {
            left.append(&mut open.unsaved);
            open.unsaved = left;
        }
    }
    saved
}

/// Appends a frame with these batches to the index log of segment `id` and syncs it.
fn save_batches(
    shared: &Shared,
    maintenance: &mut Maintenance,
    id: FileId,
    applied: u64,
    batches: &[Unsaved],
) -> Result<(), Error> {
    let mut payload = Vec::with_capacity(batches.len() * BATCH_BYTES);
    for batch in batches {
        put_batch(&mut payload, batch);
    }
    let log = open_index_log(shared, maintenance, id)?;
    let header = FrameHeader {
        kind: FrameKind::Index,
        payload_len: payload.len() as u32,
        payload_crc: crc_of([payload.as_slice()]),
        log_id: LogId { term: 0, node_id: 0, index: applied },
        synced_upto: log.end,
        padding: 0,
    };
    let frame = header.encode(log.file.salt, log.end);
    let file = &log.file;
    if let Err(error) = file.disk.write_all_at(&[IoSlice::new(&frame), IoSlice::new(&payload)], log.end) {
        let cut = file.disk.set_len(log.end).and_then(|()| file.disk.sync_data());
        cut.map_err(|error| shared.stop("take back a failed write to", &file.name, &error))?;
        return Err(Error::io("write", &file.name)(error));
    }
    shared.crash_point("index:written")?;
    shared.sync_file(file)?;
    shared.crash_point("index:synced")?;
    log.end += header.frame_len();
    Ok(())
}

/// The index log of segment `id`, made if there is none.
fn open_index_log<'a>(
    shared: &Shared,
    maintenance: &'a mut Maintenance,
    segment: FileId,
) -> Result<&'a mut IndexLog, Error> {
    let kept = maintenance.index_log.take().filter(|log| log.file.id.number() == segment.number());
    let log = match kept {
        Some(log) => log,
        None => {
            let id = FileId::IndexLog(segment.number());
            let salt = shared.options.salt ^ segment.number();
            let header = FileHeader { id, journal_id: shared.options.journal_id, salt, previous: None };
            let file = WalFile::create(shared.disk.as_ref(), &shared.dir, &header, FILE_HEADER_BYTES)?;
            shared.publish(&file)?;
            IndexLog { file, end: FILE_HEADER_BYTES }
        }
    };
    Ok(maintenance.index_log.insert(log))
}

/// Encoded size of a batch in an index log.
const BATCH_BYTES: usize = 16 + 4 + crate::hot::extent::EXTENT_BYTES;

fn put_batch(out: &mut Vec<u8>, batch: &Unsaved) {
    out.put_slice(batch.partition.topic_id.as_bytes());
    out.put_i32_le(batch.partition.partition);
    batch.extent.put(out);
}

/// Decodes an index frame's payload; `end` bounds the batches' positions.
pub(crate) fn get_batches(
    mut payload: &[u8],
    end: u64,
) -> Result<Vec<(WalPartition, BatchExtent)>, &'static str> {
    let mut batches = Vec::with_capacity(payload.len() / BATCH_BYTES);
    while !payload.is_empty() {
        let mut topic_id = [0; 16];
        payload.try_copy_to_slice(&mut topic_id).map_err(|_| "an index frame is cut short")?;
        let partition = payload.try_get_i32_le().map_err(|_| "an index frame is cut short")?;
        let extent = BatchExtent::get(&mut payload, end)?;
        batches.push((WalPartition { topic_id: Uuid::from_bytes(topic_id), partition }, extent));
    }
    Ok(batches)
}
