//! How much of the log stays in the operating system's page cache.
//!
//! What was appended last is what is read: by consumers near the end, by functions, by sealing. A log
//! that leaves everything in the page cache takes a new page from the kernel for every page that it
//! appends, until memory is full of pages that nobody reads; getting one costs several times what
//! copying into it does, where the machine is a virtual one and the page has to come from its host. So
//! pages further behind the end than `page_cache_bytes` are given back, and soon used again.
//!
//! What is read from further behind is not kept either: [`WalFile::read_batches`] gives it back.
//!
//! [`WalFile::read_batches`]: crate::file::WalFile::read_batches

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::file::WalFile;
use crate::shared::Shared;

/// Less than this is not worth a system call.
const STEP_BYTES: u64 = 1 << 20;

/// What was written last and may be in the page cache, oldest first. Files that go take theirs along,
/// so they are not held.
#[derive(Default)]
pub(crate) struct PageCache {
    kept: VecDeque<(Weak<WalFile>, Range<u64>)>,
    bytes: u64,
}

impl PageCache {
    /// The file is on disk up to `end`.
    pub(crate) fn synced(&mut self, file: &Arc<WalFile>, end: u64) {
        // One that was followed by another meanwhile may still be told of.
        let known = self.kept.iter_mut().rev().find(|(kept, _)| kept.as_ptr() == Arc::as_ptr(file));
        match known {
            Some((_, range)) if range.end < end => {
                self.bytes += end - range.end;
                range.end = end;
            }
            Some(_) => {}
            None => {
                self.bytes += end;
                self.kept.push_back((Arc::downgrade(file), 0..end));
            }
        }
    }

    /// Takes out the oldest bytes that are more than `keep`.
    fn take_beyond(&mut self, keep: u64, step: u64) -> Vec<(Arc<WalFile>, Range<u64>)> {
        let mut taken = Vec::new();
        if self.bytes < keep.saturating_add(step) {
            return taken;
        }
        while self.bytes > keep
            && let Some((file, range)) = self.kept.front_mut()
        {
            let len = (range.end - range.start).min(self.bytes - keep);
            let part = range.start..range.start + len;
            range.start = part.end;
            self.bytes -= len;
            taken.extend(file.upgrade().map(|file| (file, part)));
            // The newest file's entry says from where on it goes on.
            if range.is_empty() && self.kept.len() > 1 {
                self.kept.pop_front();
            } else if len == 0 {
                break;
            }
        }
        taken
    }
}

/// Gives back what is further behind the end than is to be kept.
pub(crate) fn trim(shared: &Shared) {
    let beyond = shared.page_cache.lock().take_beyond(shared.options.page_cache_bytes, STEP_BYTES);
    for (file, range) in beyond {
        file.give_back(range);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidemill_disk::{Disk, SimDisk};

    use super::*;
    use crate::header::FileHeader;
    use crate::names::FileId;

    fn file(disk: &SimDisk, number: u64) -> Arc<WalFile> {
        disk.create_dir_all(Path::new("/wal")).unwrap();
        let id = FileId::Segment(number);
        let header = FileHeader { id, journal_id: 0, salt: 0, previous: None };
        Arc::new(WalFile::create(disk, Path::new("/wal"), &header, 0).unwrap())
    }

    fn taken(cache: &mut PageCache, keep: u64) -> Vec<(u64, Range<u64>)> {
        cache.take_beyond(keep, 10).into_iter().map(|(file, range)| (file.id.number(), range)).collect()
    }

    #[test]
    fn the_newest_bytes_are_kept_across_files() {
        let disk = SimDisk::new(1);
        let (one, two) = (file(&disk, 1), file(&disk, 2));
        let mut cache = PageCache::default();
        cache.synced(&one, 60);
        cache.synced(&one, 90);
        assert_eq!(taken(&mut cache, 100), []);
        cache.synced(&two, 5);
        cache.synced(&one, 100);
        assert_eq!(taken(&mut cache, 100), [], "too little for a system call");
        cache.synced(&two, 30);
        assert_eq!(taken(&mut cache, 100), [(1, 0..30)]);
        cache.synced(&two, 120);
        assert_eq!(taken(&mut cache, 100), [(1, 30..100), (2, 0..20)]);
        assert_eq!(taken(&mut cache, 0), [(2, 20..120)]);
        cache.synced(&two, 140);
        assert_eq!(taken(&mut cache, 0), [(2, 120..140)]);
    }

    #[test]
    fn a_file_that_is_gone_is_passed_over() {
        let disk = SimDisk::new(1);
        let (one, two) = (file(&disk, 1), file(&disk, 2));
        let mut cache = PageCache::default();
        cache.synced(&one, 100);
        drop(one);
        cache.synced(&two, 50);
        assert_eq!(taken(&mut cache, 20), [(2, 0..30)]);
    }
}
