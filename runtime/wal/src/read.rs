//! Reading entries back, from the cache or the files.

use std::ops::Range;
use std::sync::Arc;

use bytes::Buf;

use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, crc_of};
use crate::header::FILE_HEADER_BYTES;
use crate::read_demand::ReadDemand;
use crate::shared::Shared;
use crate::types::StoredEntry;

/// Entries of `range` in order until they exceed `max_bytes`, at least one if there is one.
pub(crate) fn read_entries(
    shared: &Shared,
    range: Range<u64>,
    max_bytes: u64,
) -> Result<Vec<StoredEntry>, Error> {
    shared.running()?;
    let (mut next, end) = {
        let index = shared.index.read();
        let end = index.last.map_or(0, |last| last.index + 1);
        (range.start.max(index.first_index()), range.end.min(end))
    };
    let mut found = Vec::new();
    let mut budget = max_bytes;
    while next < end {
        let mut entries = shared.cache.lock().entries(next, end, budget);
        if entries.is_empty() {
            match read_entry(shared, next)? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        for entry in entries {
            let len = entry.payload_len() as u64;
            if !found.is_empty() && len > budget {
                return Ok(found);
            }
            budget = budget.saturating_sub(len);
            next = entry.log_id.index + 1;
            found.push(entry);
        }
    }
    Ok(found)
}

/// Reads one entry from its file; none if it has been truncated or purged meanwhile.
fn read_entry(shared: &Shared, index: u64) -> Result<Option<StoredEntry>, Error> {
    loop {
        let (file, frame, end, truncations) = {
            let known = shared.index.read();
            let Some(state) = known.segment_with(index) else {
                return Ok(None);
            };
            (Arc::clone(&state.file), state.frame(index), state.end, known.truncations)
        };
        let Some((start, frame_end)) = frame else {
            let positions = entry_positions(&file, end)?;
            if index - file.id.number() >= positions.len() as u64 {
                return Err(file.corrupt(end, format!("entry {index} is missing")));
            }
            if let Some(state) = shared.index.write().files.get_mut(&file.id) {
                state.positions = Some(positions);
            }
            continue;
        };
        let read = read_frame(&file, start, frame_end, index, &shared.read_demand);
        if read.is_err() && shared.index.read().truncations != truncations {
            continue;
        }
        return read.map(Some);
    }
}

fn read_frame(
    file: &WalFile,
    start: u64,
    end: u64,
    index: u64,
    demand: &ReadDemand,
) -> Result<StoredEntry, Error> {
    let mut bytes = file.read_batches(start, (end - start) as usize, demand)?;
    let header =
        FrameHeader::decode(&bytes, file.salt, start).map_err(|bad| file.corrupt(start, bad.reason))?;
    if header.kind != FrameKind::Entry || header.log_id.index != index || header.frame_len() != end - start {
        return Err(file.corrupt(start, "the frame is not that of the expected entry"));
    }
    bytes.advance(FRAME_HEADER_BYTES);
    bytes.truncate(header.payload_len as usize);
    if crc_of([&bytes[..]]) != header.payload_crc {
        return Err(file.corrupt(start, "the payload's checksum does not match"));
    }
    Ok(StoredEntry { log_id: header.log_id, parts: vec![bytes.freeze()] })
}

/// Where the entries of a closed file stand, found by going from frame to frame.
fn entry_positions(file: &WalFile, end: u64) -> Result<Vec<u64>, Error> {
    let mut positions = Vec::new();
    let mut position = FILE_HEADER_BYTES;
    while position < end {
        let header = file.read_frame_header(position)?;
        if header.kind != FrameKind::Entry || header.frame_len() > end - position {
            return Err(file.corrupt(position, "the frame is not that of an entry of this file"));
        }
        positions.push(position);
        position += header.frame_len();
    }
    Ok(positions)
}
