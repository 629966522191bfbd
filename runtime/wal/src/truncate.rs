//! Taking entries off either end of the log.

use std::sync::Arc;

use crate::atomic_file::{self, StoreError};
use crate::error::Error;
use crate::file::WalFile;
use crate::flight::land_all;
use crate::frame::FrameKind;
use crate::header::put_log_id;
use crate::index::FileState;
use crate::names::FileId;
use crate::shared::Shared;
use crate::types::LogId;
use crate::writer::{Active, OpenBlock};

/// Name of the file with the purge position.
pub(crate) const PURGED: &str = "purged";
/// Name of the file with the vote.
pub(crate) const VOTE: &str = "vote";

/// Removes the entries from `index` on: whole files newest first, each durably before the next, so
/// that a crash in between leaves a log without a gap; then the rest by cutting its file.
pub(crate) fn truncate_since(shared: &Shared, index: u64) -> Result<(), Error> {
    shared.running()?;
    let mut writer = land_all(shared, shared.writer.lock())?;
    let bounds = {
        let index = shared.index.read();
        (index.purged, index.last)
    };
    if bounds.1.is_none_or(|last| last.index < index) {
        return Ok(());
    }
    if bounds.0.is_some_and(|purged| purged.index >= index) {
        return Err(Error::misuse(format!("entry {index} is purged and cannot be truncated")));
    }
    check_unapplied(shared, index)?;
    loop {
        let newest = shared.index.read().active().filter(|id| id.number() > index);
        let Some(id) = newest else { break };
        writer.active = None;
        let removed = {
            let mut index = shared.index.write();
            index.truncations += 1;
            index.files.remove(&id)
        };
        shared.cache.lock().truncate(index);
        shared.remove(&id.name()).map_err(|error| stopped(shared, error))?;
        shared.remove(&FileId::IndexLog(id.number()).name()).map_err(|error| stopped(shared, error))?;
        drop(removed);
        shared.sync_dir()?;
        shared.crash_point("truncate:file-removed")?;
    }
    let (active, last) = cut(shared, index)?;
    shared.crash_point("truncate:cut")?;
    shared.cache.lock().truncate(index);
    writer.last = last;
    writer.durable = last.map(|last| last.index);
    writer.cuts += 1;
    writer.active = active;
    Ok(())
}

/// An applied entry is committed and never truncated.
fn check_unapplied(shared: &Shared, from: u64) -> Result<(), Error> {
    let index = shared.index.read();
    let Some(state) = index.segment_with(from) else {
        return Ok(());
    };
    let at = state.frame(from).map_or(0, |(start, _)| start);
    let is_applied = |state: &FileState, at: u64| match &state.open {
        None => true,
        Some(open) => {
            let mut last = open.by_partition.values().filter_map(|extents| extents.last());
            last.any(|last| last.position >= at)
        }
    };
    let later = FileId::Segment(state.file.id.number() + 1);
    let mut later = index.files.range(later..).filter(|(id, _)| matches!(id, FileId::Segment(_)));
    if is_applied(state, at) || later.any(|(_, later)| is_applied(later, 0)) {
        return Err(Error::misuse(format!("entry {from} is applied and cannot be truncated")));
    }
    Ok(())
}

/// Cuts the newest file before the frame of `index`; gives it as the active one, and the entry that is
/// now the last.
fn cut(shared: &Shared, index: u64) -> Result<(Option<Active>, Option<LogId>), Error> {
    let found = {
        let known = shared.index.read();
        let newest = known.active().and_then(|id| known.files.get(&id));
        newest.map(|state| (Arc::clone(&state.file), state.frame(index), state.end, state.bytes))
    };
    let Some((file, frame, end, bytes)) = found else {
        return Ok((None, None));
    };
    let at = frame.map_or(end, |(start, _)| start);
    let last = entry_before(shared, &file, index)?;
    if at < bytes {
        file.disk.set_len(at).map_err(|error| shared.stop("cut", &file.name, &error))?;
    }
    shared.sync_file(&file)?;
    let mut known = shared.index.write();
    known.truncations += 1;
    known.last = last;
    if let Some(state) = known.files.get_mut(&file.id) {
        let kept = index.saturating_sub(file.id.number());
        state.end = at;
        state.bytes = at;
        state.last = last.filter(|last| last.index >= file.id.number());
        if let Some(positions) = &mut state.positions {
            positions.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        }
    }
    drop(known);
    Ok((
        Some(Active {
            file,
            end: at,
            allocated: at,
            synced: at,
            next: index,
            open_block: OpenBlock::default(),
        }),
        last,
    ))
}

/// The log id of the entry before `index`, which is in `file` or the one before its first.
fn entry_before(shared: &Shared, file: &WalFile, index: u64) -> Result<Option<LogId>, Error> {
    if index <= file.id.number() {
        return Ok(file.previous);
    }
    let frame = shared.index.read().files.get(&file.id).and_then(|state| state.frame(index - 1));
    let Some((position, _)) = frame else {
        return Ok(file.previous);
    };
    let header = file.read_frame_header(position)?;
    if header.kind != FrameKind::Entry || header.log_id.index != index - 1 {
        return Err(file.corrupt(position, "the frame is not that of the expected entry"));
    }
    Ok(Some(header.log_id))
}

/// A truncation that got stuck half-way leaves the log in no state to go on.
fn stopped(shared: &Shared, error: Error) -> Error {
    match error {
        Error::Stopped { .. } => error,
        other => shared.stop("truncate", "the log", &std::io::Error::other(other.to_string())),
    }
}

/// Forgets entries up to `upto` for readers of the log.
pub(crate) fn purge_upto(shared: &Shared, upto: LogId) -> Result<(), Error> {
    shared.running()?;
    let mut writer = land_all(shared, shared.writer.lock())?;
    let beyond = writer.last.is_none_or(|last| last.index < upto.index);
    if beyond {
        // The log goes on behind a gap, which only this position explains to a recovery.
        save_purged(shared, upto)?;
        writer.last = Some(upto);
    }
    shared.index.write().purge(upto);
    Ok(())
}

/// Makes the purge position durable, unless it is already.
pub(crate) fn save_purged(shared: &Shared, purged: LogId) -> Result<(), Error> {
    let mut saved = shared.saved_purged.lock();
    if saved.is_some_and(|saved| saved.index >= purged.index) {
        return Ok(());
    }
    let mut value = Vec::new();
    put_log_id(&mut value, purged);
    store(shared, PURGED, &value)?;
    *saved = Some(purged);
    Ok(())
}

/// Saves the vote.
pub(crate) fn save_vote(shared: &Shared, vote: &[u8]) -> Result<(), Error> {
    shared.running()?;
    let mut saved = shared.vote.lock();
    store(shared, VOTE, vote)?;
    *saved = Some(vote.to_vec());
    Ok(())
}

fn store(shared: &Shared, name: &str, value: &[u8]) -> Result<(), Error> {
    let stored =
        atomic_file::store(shared.disk.as_ref(), &shared.dir, name, shared.options.journal_id, value);
    stored.map_err(|error| match error {
        StoreError::NotStored(error) => Error::io("write", name)(error),
        StoreError::Unknown(error) => shared.stop("sync", name, &error),
    })
}
