//! Opening a log: what is on disk becomes what is known in memory.
//!
//! - Unfinished files (`*.tmp`) are removed.
//! - A segment with a footer is not scanned: trailer and directory say all that is needed.
//! - Other segments are read frame by frame. Only the newest may end in a torn tail, which is cut and
//!   synced (`scan.rs` says what is torn and what is corrupt). In an older one, everything up to the
//!   entry that its successor names as *previous* has to be there; what follows is an unfinished footer.
//! - Segments follow one another without a gap, except where the purge position covers the gap.
//! - Index logs supply the batches of the segment that had been applied in part.
//! - The log may not end before an entry that the index says was applied.

mod index_logs;
mod segments;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex, RwLock};
use tidemill_disk::Disk;

use crate::atomic_file;
use crate::cache::EntryCache;
use crate::checkpoint::Maintenance;
use crate::error::Error;
use crate::file::WalFile;
use crate::header::get_log_id;
use crate::hot::footer::{self, Footer};
use crate::hot::sections::SectionCache;
use crate::hot::span::Span;
use crate::index::Index;
use crate::names::{FileId, TEMPORARY};
use crate::options::Options;
use crate::page_cache::PageCache;
use crate::read_demand::ReadDemand;
use crate::shared::Shared;
use crate::truncate::{PURGED, VOTE};
use crate::types::{LogId, Recovered, TornTail, WalPartition};
use crate::writer::{Active, OpenBlock, Writer};

/// Opens the log in `dir`.
pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Shared, Recovered), Error> {
    disk.create_dir_all(dir).map_err(Error::io("create", "the directory"))?;
    let mut recovery = Recovery::new(disk.as_ref(), dir, &options)?;
    recovery.sweep()?;
    recovery.segments()?;
    recovery.relocations()?;
    let index_log = recovery.index_logs()?;
    recovery.check_end()?;
    disk.sync_dir(dir).map_err(Error::io("sync", "the directory"))?;
    let Recovery { mut index, spans, vote, saved_purged, indexed, cut, .. } = recovery;
    index.insert_spans(spans);
    if let Some(purged) = saved_purged {
        index.purge(purged);
    }
    let recovered = Recovered {
        first_index: index
            .last
            .map(|_| index.first_index())
            .filter(|first| index.segment_with(*first).is_some()),
        last: index.last,
        purged: index.purged,
        vote: vote.clone(),
        indexed: indexed.max(index.purged.map(|purged| purged.index)),
        cut,
    };
    let active = index.active().and_then(|id| index.files.get(&id)).map(|state| Active {
        file: Arc::clone(&state.file),
        end: state.end,
        allocated: state.bytes,
        synced: state.end,
        next: state.last.map_or(state.file.id.number(), |last| last.index + 1),
        open_block: OpenBlock::default(),
    });
    let newest = index.files.keys().filter_map(|id| match id {
        FileId::Relocation(number) => Some(*number),
        _ => None,
    });
    let next_relocation = newest.max().map_or(0, |newest| newest + 1);
    // What lies further behind the end than is kept has its place behind it after a restart, too.
    let mut page_cache = PageCache::default();
    let segments = index.files.iter().filter(|(id, _)| matches!(id, FileId::Segment(_)));
    segments.for_each(|(_, state)| page_cache.synced(&state.file, state.end));
    let shared = Shared {
        maintenance: Mutex::new(Maintenance { index_log, next_relocation, indexed, ..Default::default() }),
        writer: Mutex::new(Writer {
            active,
            last: index.last,
            durable: index.last.map(|last| last.index),
            ..Writer::default()
        }),
        landed: Condvar::new(),
        vote: Mutex::new(vote),
        saved_purged: Mutex::new(saved_purged),
        index: RwLock::new(index),
        cache: Mutex::new(EntryCache::new(options.cache_bytes)),
        sections: Mutex::new(SectionCache::new(options.index_cache_bytes)),
        spares: Mutex::default(),
        page_cache: Mutex::new(page_cache),
        read_demand: ReadDemand::default(),
        stopped: OnceLock::new(),
        disk,
        dir: dir.to_path_buf(),
        options,
    };
    Ok((shared, recovered))
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    journal_id: u32,
    ids: Vec<FileId>,
    temporaries: Vec<String>,
    vote: Option<Vec<u8>>,
    saved_purged: Option<LogId>,
    index: Index,
    spans: Vec<(WalPartition, Span)>,
    indexed: Option<u64>,
    cut: Option<TornTail>,
}

impl<'a> Recovery<'a> {
    fn new(disk: &'a dyn Disk, dir: &'a Path, options: &Options) -> Result<Recovery<'a>, Error> {
        let journal_id = options.journal_id;
        let vote = atomic_file::load(disk, dir, VOTE, journal_id)?;
        let saved_purged = match atomic_file::load(disk, dir, PURGED, journal_id)? {
            None => None,
            Some(value) => {
                let purged = get_log_id(&mut value.as_slice());
                Some(purged.map_err(|_| Error::corrupt(PURGED, 0, "the log id is cut short"))?)
            }
        };
        let mut ids = Vec::new();
        let mut temporaries = Vec::new();
        for name in disk.list(dir).map_err(Error::io("list", "the directory"))? {
            match FileId::parse(&name) {
                Some(id) => ids.push(id),
                None if name.ends_with(TEMPORARY) => temporaries.push(name),
                None if name == VOTE || name == PURGED => {}
                None => tracing::warn!(name, "a file that is not ours is in the write-ahead log's directory"),
            }
        }
        ids.sort();
        Ok(Recovery {
            disk,
            dir,
            journal_id,
            ids,
            temporaries,
            vote,
            saved_purged,
            index: Index::default(),
            spans: Vec::new(),
            indexed: None,
            cut: None,
        })
    }

    /// Removes what a crash left unfinished.
    fn sweep(&self) -> Result<(), Error> {
        for name in &self.temporaries {
            self.disk.remove(&self.dir.join(name)).map_err(Error::io("remove", name))?;
        }
        Ok(())
    }

    fn open_file(&self, id: FileId) -> Result<WalFile, Error> {
        WalFile::open(self.disk, self.dir, id, self.journal_id)
    }

    fn relocations(&mut self) -> Result<(), Error> {
        let ids: Vec<FileId> =
            self.ids.iter().copied().filter(|id| matches!(id, FileId::Relocation(_))).collect();
        for id in ids {
            let file = Arc::new(self.open_file(id)?);
            let len = file.len()?;
            let footer = footer::read(&file, len)?;
            let footer = footer.ok_or_else(|| file.corrupt(len, "the relocation file has no footer"))?;
            let state = self.closed(&file, len, Footer { last: None, ..footer });
            self.index.files.insert(id, state);
        }
        Ok(())
    }

    /// What was applied was synced before, and must be there.
    fn check_end(&mut self) -> Result<(), Error> {
        let last = self.index.last.map(|last| last.index);
        let purged = self.saved_purged.map(|purged| purged.index);
        if self.indexed > last.max(purged) {
            let (applied, last) = (self.indexed.unwrap_or_default(), last.unwrap_or_default());
            let file = self.index.active().map_or_else(String::new, FileId::name);
            let end = self.index.files.values().next_back().map_or(0, |state| state.end);
            let reason = format!("the log ends at entry {last}, but entry {applied} was applied");
            return Err(Error::corrupt(&file, end, reason));
        }
        Ok(())
    }
}
