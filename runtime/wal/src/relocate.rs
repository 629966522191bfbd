//! Copying small remainders forward, so that an idle partition or an open transaction does not pin a
//! whole file.
//!
//! A relocation file (`<sequence>.hot`) is a numbered file of frames of type *moved batches* (batches
//! as they came from the socket, one after the other) and a footer. It gets its name only when it is
//! complete and synced; the files it was copied from are deleted after that.
//!
//! Small relocation files are merged when there are many, so their number stays bounded.

use std::collections::{BTreeSet, HashMap};
use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::Maintenance;
use crate::error::Error;
use crate::file::WalFile;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, crc_of};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::hot::extent::BatchExtent;
use crate::hot::footer::{self, EncodedFooter, Section};
use crate::hot::read_stored;
use crate::hot::span::Span;
use crate::index::{FileState, Index};
use crate::names::{FileId, TEMPORARY};
use crate::options::Options;
use crate::shared::Shared;
use crate::types::{LogId, WalPartition};

/// This many small relocation files are merged into one.
const MERGE_AT: usize = 8;
/// Batches are written in frames of about this size.
const FRAME_BYTES: usize = 1 << 20;

/// Neighbouring spans of a partition that become one.
struct Run {
    partition: WalPartition,
    sources: Vec<(Span, Arc<WalFile>)>,
}

/// Copies what is left in files that are due into a new file. Gives the bytes copied.
pub(crate) fn relocate(shared: &Shared, maintenance: &mut Maintenance, bound: u64) -> Result<u64, Error> {
    loop {
        let runs = {
            let index = shared.index.read();
            runs(&index, &due_files(&index, &shared.options, &maintenance.damaged, bound))
        };
        if runs.is_empty() {
            return Ok(0);
        }
        match copy(shared, maintenance, &runs) {
            Ok(copied) => return Ok(copied),
            Err(Failure { source: Some(id), error }) => maintenance.leave_out(id, error)?,
            Err(Failure { source: None, error }) => return Err(error),
        }
    }
}

/// Why copying ended, and in which file if it was in reading.
struct Failure {
    source: Option<FileId>,
    error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { source: None, error }
    }
}

fn copy(shared: &Shared, maintenance: &mut Maintenance, runs: &[Run]) -> Result<u64, Failure> {
    let id = FileId::Relocation(maintenance.next_relocation);
    maintenance.next_relocation += 1;
    let salt = shared.options.salt ^ !id.number();
    let header = FileHeader { id, journal_id: shared.options.journal_id, salt, previous: None };
    let file = WalFile::create(shared.disk.as_ref(), &shared.dir, &header, FILE_HEADER_BYTES)?;
    let mut copy =
        Copy { shared, file: Arc::new(file), end: FILE_HEADER_BYTES, frame: Vec::new(), frame_len: 0 };
    let written = copy.runs(runs).and_then(|sections| Ok(copy.footer(sections)?));
    let (position, encoded) = match written {
        Ok(written) => written,
        Err(error) => {
            // Left over for the next open to remove if this fails too.
            let _ = shared.disk.remove(&shared.dir.join(format!("{}{TEMPORARY}", copy.file.name)));
            return Err(error);
        }
    };
    shared.crash_point("relocation:unnamed")?;
    shared.publish(&copy.file)?;
    shared.crash_point("relocation:published")?;
    let state = FileState {
        file: Arc::clone(&copy.file),
        bytes: copy.end,
        index_log_bytes: 0,
        end: position,
        last: None,
        positions: None,
        open: None,
        live_bytes: 0,
    };
    install(&mut shared.index.write(), state, runs, &encoded);
    Ok(position - FILE_HEADER_BYTES)
}

/// Files whose remainder is worth moving, the oldest first, no more than one file's worth.
fn due_files(index: &Index, options: &Options, damaged: &BTreeSet<FileId>, bound: u64) -> BTreeSet<FileId> {
    if index.total_bytes() <= options.relocate_above_bytes {
        return BTreeSet::new();
    }
    let live = || {
        let settled = index.files.iter().filter(|(id, _)| !damaged.contains(id));
        settled.filter(|(_, state)| index.is_settled(state, bound) && state.live_bytes > 0)
    };
    let is_small = |state: &FileState| state.live_bytes <= options.segment_bytes / 4;
    let small = live().filter(|(id, state)| matches!(id, FileId::Relocation(_)) && is_small(state)).count();
    let due = live().filter(|(id, state)| match id {
        FileId::Relocation(_) => {
            state.live_bytes <= state.bytes / 2 || (small >= MERGE_AT && is_small(state))
        }
        _ => state.live_bytes <= options.relocate_below_bytes,
    });
    let mut room = options.segment_bytes;
    let fitting = due.take_while(|(_, state)| {
        let fits = state.live_bytes <= room;
        room = room.saturating_sub(state.live_bytes);
        fits
    });
    fitting.map(|(id, _)| *id).collect()
}

fn runs(index: &Index, due: &BTreeSet<FileId>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    if due.is_empty() {
        return runs;
    }
    for (partition, hot) in &index.partitions {
        let mut follows = None; // the offset at which the next span may join the run
        for span in &hot.spans {
            let Some(state) = index.files.get(&span.file).filter(|_| due.contains(&span.file)) else {
                follows = None;
                continue;
            };
            let source = (*span, Arc::clone(&state.file));
            match runs.last_mut().filter(|_| follows == Some(span.from)) {
                Some(run) => run.sources.push(source),
                None => runs.push(Run { partition: *partition, sources: vec![source] }),
            }
            follows = Some(span.last.saturating_add(1));
        }
    }
    runs.sort_by_key(|run| (run.partition, run.sources.first().map(|(span, _)| span.from)));
    runs
}

/// A relocation file being written.
struct Copy<'a> {
    shared: &'a Shared,
    file: Arc<WalFile>,
    end: u64,
    frame: Vec<Bytes>,
    frame_len: usize,
}

impl Copy<'_> {
    fn runs(&mut self, runs: &[Run]) -> Result<Vec<Section>, Failure> {
        let mut sections = Vec::with_capacity(runs.len());
        for run in runs {
            let mut extents = Vec::new();
            for (span, source) in &run.sources {
                let Some(section) = span.section else { continue };
                let unreadable = |error| Failure { source: Some(source.id), error };
                let batches = self.shared.section(source, section).map_err(unreadable)?;
                for extent in batches.iter().filter(|extent| extent.last_offset >= span.from) {
                    let bytes = read_stored(self.shared, source, extent).map_err(unreadable)?;
                    extents.push(self.batch(bytes, extent)?);
                }
            }
            sections.push(Section { partition: run.partition, extents: Arc::new(extents) });
        }
        self.flush()?;
        Ok(sections)
    }

    fn batch(&mut self, bytes: Bytes, extent: &BatchExtent) -> Result<BatchExtent, Error> {
        if self.frame_len + extent.size as usize > FRAME_BYTES {
            self.flush()?;
        }
        let position = self.end + (FRAME_HEADER_BYTES + self.frame_len) as u64;
        self.frame_len += bytes.len();
        self.frame.push(bytes);
        Ok(BatchExtent { position, ..*extent })
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let parts = std::mem::take(&mut self.frame);
        let header = FrameHeader {
            kind: FrameKind::Moved,
            payload_len: self.frame_len as u32,
            payload_crc: crc_of(parts.iter().map(|part| &part[..])),
            log_id: LogId::default(),
            synced_upto: 0,
            padding: 0,
        };
        self.frame_len = 0;
        self.write(&header, &parts)
    }

    fn footer(&mut self, sections: Vec<Section>) -> Result<(u64, EncodedFooter), Error> {
        let position = self.end;
        let encoded = footer::encode(&self.file, position, None, sections);
        let header = footer::frame_header(&encoded.payload, None, 0);
        self.write(&header, &[Bytes::copy_from_slice(&encoded.payload)])?;
        Ok((position, encoded))
    }

    fn write(&mut self, header: &FrameHeader, parts: &[Bytes]) -> Result<(), Error> {
        let frame = header.encode(self.file.salt, self.end);
        let payload = parts.iter().map(|part| IoSlice::new(part));
        let bufs: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&frame)).chain(payload).collect();
        self.file.disk.write_all_at(&bufs, self.end).map_err(Error::io("write", &self.file.name))?;
        self.end += header.frame_len();
        Ok(())
    }
}

/// Makes readers find the batches in their new file.
fn install(index: &mut Index, state: FileState, runs: &[Run], encoded: &EncodedFooter) {
    let id = state.file.id;
    index.files.insert(id, state);
    let mut moved: HashMap<(WalPartition, i64), Span> = HashMap::new();
    for (partition, span) in &encoded.spans {
        moved.insert((*partition, span.last), *span);
    }
    for run in runs {
        let Some(last) = run.sources.last().map(|(span, _)| span.last) else {
            continue;
        };
        let Some(mut span) = moved.get(&(run.partition, last)).copied() else {
            continue;
        };
        let Some(partition) = index.partitions.get_mut(&run.partition) else {
            continue;
        };
        let is_source = |own: &Span| {
            run.sources.iter().any(|(source, _)| source.file == own.file && source.last == own.last)
        };
        // Some may have been released since they were read.
        let replaced: Vec<Span> = partition.spans.iter().filter(|own| is_source(own)).copied().collect();
        let Some(first) = replaced.first() else { continue };
        let at = partition.spans.partition_point(|own| own.last < first.last);
        if first.from > span.from {
            span.from = first.from;
            span.exact = false;
        }
        partition.spans.retain(|own| !is_source(own));
        partition.spans.insert(at, span);
        for source in &replaced {
            index.remove_live(source);
        }
        index.add_live(&span);
    }
}
