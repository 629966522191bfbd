//! Segments: those with a footer are taken at its word, the others are read frame by frame.

use std::sync::Arc;

use super::Recovery;
use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{FrameHeader, FrameKind};
use crate::hot::footer::{self, Footer};
use crate::index::{FileState, OpenExtents};
use crate::names::FileId;
use crate::scan::{declared_synced, scan_frames};
use crate::types::{LogId, TornTail};

impl Recovery<'_> {
    pub(super) fn segments(&mut self) -> Result<(), Error> {
        let ids: Vec<FileId> =
            self.ids.iter().copied().filter(|id| matches!(id, FileId::Segment(_))).collect();
        let mut files = Vec::with_capacity(ids.len());
        for id in ids {
            files.push(Arc::new(self.open_file(id)?));
        }
        let mut before: Option<(u64, Option<LogId>)> = None; // the last entry of the file before
        let mut unindexed: Option<String> = None;
        let footers = footers(&files)?;
        for ((nth, file), footer) in files.iter().enumerate().zip(footers) {
            self.check_successor(file, before)?;
            let successor = files.get(nth + 1);
            let len = file.len()?;
            let state = match footer {
                Some(footer) => {
                    if let Some(unindexed) = &unindexed {
                        return Err(Error::corrupt(unindexed, 0, "the file's footer is gone"));
                    }
                    self.closed(file, len, footer)
                }
                None => {
                    unindexed = unindexed.or_else(|| Some(file.name.clone()));
                    self.scanned(file, len, successor.map(|next| next.previous))?
                }
            };
            before = Some((state.last_index(), state.last.or(file.previous)));
            self.index.last = state.last.or(file.previous);
            self.index.files.insert(file.id, state);
        }
        Ok(())
    }

    /// A segment begins where the one before ended, or behind a gap that was purged.
    fn check_successor(&self, file: &WalFile, before: Option<(u64, Option<LogId>)>) -> Result<(), Error> {
        let first = file.id.number();
        if file.previous.is_some_and(|previous| previous.index + 1 != first) {
            return Err(file.corrupt(0, "the file's name and its previous entry do not match"));
        }
        let covered = match (file.previous, self.saved_purged) {
            (None, _) => before.is_none(),
            (Some(previous), Some(purged)) => previous.index <= purged.index,
            (Some(_), None) => false,
        };
        match before {
            Some((last, _)) if last >= first => {
                Err(file.corrupt(0, format!("the file before already has entry {last}")))
            }
            Some((_, id)) if id.is_some() && id == file.previous => Ok(()),
            _ if covered => Ok(()),
            _ => {
                let name = file.id.name();
                Err(Error::corrupt(&name, 0, format!("the entries before {first} are missing")))
            }
        }
    }

    pub(super) fn closed(&mut self, file: &Arc<WalFile>, len: u64, footer: Footer) -> FileState {
        self.spans.extend(footer.spans);
        self.indexed = self.indexed.max(footer.last.map(|last| last.index));
        FileState {
            file: Arc::clone(file),
            bytes: len,
            index_log_bytes: 0,
            end: footer.position,
            last: footer.last,
            positions: None,
            open: None,
            live_bytes: 0,
        }
    }

    /// Reads a segment without footer. `successor` is what the next segment, if there is one, says
    /// about the entry before it.
    fn scanned(
        &mut self,
        file: &Arc<WalFile>,
        len: u64,
        successor: Option<Option<LogId>>,
    ) -> Result<FileState, Error> {
        let mut positions = Vec::new();
        let mut last = None;
        let mut footer_at = None;
        let scanned = scan_frames(file, len, |position, header, _| {
            if header.kind == FrameKind::Footer && footer_at.is_none() {
                footer_at = Some(position);
                return Ok(());
            }
            check_entry(file, position, header, positions.len() as u64)?;
            if footer_at.is_some() {
                return Err(file.corrupt(position, "an entry follows the footer"));
            }
            positions.push(position);
            last = Some(header.log_id);
            Ok(())
        })?;
        let end = footer_at.unwrap_or(scanned.end);
        if let (None, Some(at)) = (successor, footer_at) {
            return Err(file.corrupt(at, "the file has a footer, so the file after it is missing"));
        }
        let bytes = match successor {
            None => self.cut_tail(file, end, len, scanned.bad)?,
            Some(expected) => {
                let own = last.or(file.previous);
                let purged = self.saved_purged;
                let jumped = expected.is_some_and(|next| {
                    own.is_none_or(|own| own.index < next.index)
                        && purged.is_some_and(|purged| next.index <= purged.index)
                });
                if own != expected && !jumped {
                    let reason = scanned.bad.unwrap_or("the file ends before its last entry");
                    return Err(file.corrupt(end, reason));
                }
                len
            }
        };
        Ok(FileState {
            file: Arc::clone(file),
            bytes,
            index_log_bytes: 0,
            end,
            last,
            positions: Some(positions),
            open: Some(OpenExtents::default()),
            live_bytes: 0,
        })
    }

    /// Cuts what follows the last whole frame of a file that a crash may have caught in writing.
    pub(super) fn cut_tail(
        &mut self,
        file: &WalFile,
        end: u64,
        len: u64,
        bad: Option<&'static str>,
    ) -> Result<u64, Error> {
        let reason = bad.unwrap_or("there is no frame");
        if end < len {
            if let Some(later) = declared_synced(file, end, len)? {
                let reason = format!("{reason}, but the frame at byte {later} says that this one was synced");
                return Err(file.corrupt(end, reason));
            }
            file.disk.set_len(end).map_err(Error::io("cut", &file.name))?;
        }
        sync(file)?; // a process that was killed may have left whole frames that are not durable
        if bad.is_some() {
            tracing::info!(file = file.name, position = end, reason, "cut a torn tail");
            let file = file.name.clone();
            self.cut.get_or_insert(TornTail { file, position: end, reason: reason.to_owned() });
        }
        Ok(end)
    }
}

/// The footers of all segments but the newest. They are written in order, each synced before the next,
/// so only the last may be torn; it counts as not written then. Otherwise it is durable now.
fn footers(files: &[Arc<WalFile>]) -> Result<Vec<Option<Footer>>, Error> {
    let mut footers = Vec::with_capacity(files.len());
    let mut last: Option<(usize, &WalFile, u64)> = None;
    for (nth, file) in files.iter().enumerate() {
        let len = file.len()?;
        let footer = if nth + 1 < files.len() { footer::read(file, len)? } else { None };
        last = footer.as_ref().map(|_| (nth, file.as_ref(), len)).or(last);
        footers.push(footer);
    }
    if let Some((nth, file, len)) = last
        && let Some(slot) = footers.get_mut(nth)
        && let Some(footer) = slot
    {
        if footer::is_whole(file, footer, len)? {
            sync(file)?;
        } else {
            *slot = None;
        }
    }
    Ok(footers)
}

fn sync(file: &WalFile) -> Result<(), Error> {
    file.disk.sync_data().map_err(Error::io("sync", &file.name))
}

/// Segments hold entries, one after the other.
fn check_entry(file: &WalFile, position: u64, header: &FrameHeader, nth: u64) -> Result<(), Error> {
    if header.kind != FrameKind::Entry {
        return Err(file.corrupt(position, "the frame is not that of an entry"));
    }
    if header.log_id.index != file.id.number() + nth {
        let (found, expected) = (header.log_id.index, file.id.number() + nth);
        return Err(file.corrupt(position, format!("entry {found} stands where {expected} should be")));
    }
    Ok(())
}
