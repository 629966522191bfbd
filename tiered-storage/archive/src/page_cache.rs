//! How much of a folder's newest objects stays in the operating system's page cache.
//!
//! Writing an object fills the page cache with it, and what was sealed last is what is read first. Left
//! there, all objects stay until memory is full or retention deletes many at once; where the machine is
//! a virtual one, its host takes such pages back, and each comes again at several times the cost of
//! writing it. So objects further behind the newest one are given back as others are written, and
//! their pages are used again at once. What a reader brings into the page cache later is not counted.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::Advice;

/// How many objects are remembered at most, so that neither tiny objects nor a bound beyond the machine's
/// memory make the list grow for ever. An older one is given back early.
const MOST_OBJECTS: usize = 16_384;

#[derive(Debug)]
pub(crate) struct PageCache {
    keep_bytes: u64,
    kept: Mutex<Kept>,
}

/// Oldest first.
#[derive(Debug, Default)]
struct Kept {
    objects: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl PageCache {
    pub(crate) fn new(keep_bytes: u64) -> PageCache {
        PageCache { keep_bytes, kept: Mutex::default() }
    }

    /// An object was written and synced. Gives back the oldest ones that are more than is to be kept.
    /// Blocks for a few system calls.
    pub(crate) fn written(&self, object: PathBuf, bytes: u64) {
        let beyond = self.kept.lock().push(object, bytes, self.keep_bytes);
        for object in beyond {
            give_back(&object);
        }
    }
}

impl Kept {
    /// Answers what is to go.
    fn push(&mut self, object: PathBuf, bytes: u64, keep_bytes: u64) -> Vec<PathBuf> {
        self.objects.push_back((object, bytes));
        self.bytes += bytes;
        let mut beyond = Vec::new();
        while (self.bytes > keep_bytes || self.objects.len() > MOST_OBJECTS)
            && let Some((object, bytes)) = self.objects.pop_front()
        {
            self.bytes -= bytes;
            beyond.push(object);
        }
        beyond
    }
}

/// One that was deleted meanwhile holds no pages, and a file system that cannot do this keeps them,
/// which harms nobody.
fn give_back(object: &Path) {
    if let Ok(file) = File::open(object) {
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_objects_beyond_the_bound_are_given_back() {
        let mut kept = Kept::default();
        let mut push = |name: &str, bytes| kept.push(PathBuf::from(name), bytes, 100);
        assert_eq!(push("a", 60), Vec::<PathBuf>::new());
        assert_eq!(push("b", 40), Vec::<PathBuf>::new());
        assert_eq!(push("c", 50), [Path::new("a")]);
        assert_eq!(push("d", 200), [Path::new("b"), Path::new("c"), Path::new("d")]);
        assert_eq!(push("e", 100), Vec::<PathBuf>::new());
    }

    #[test]
    fn no_more_objects_are_remembered_than_so_many() {
        let mut kept = Kept::default();
        for index in 0..MOST_OBJECTS {
            assert_eq!(kept.push(PathBuf::from(index.to_string()), 0, u64::MAX), Vec::<PathBuf>::new());
        }
        assert_eq!(kept.push(PathBuf::from("newest"), 0, u64::MAX), [Path::new("0")]);
        assert_eq!(kept.objects.len(), MOST_OBJECTS);
    }

    #[test]
    fn an_object_that_is_gone_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (gone, there) = (folder.path().join("gone"), folder.path().join("there"));
        std::fs::write(&there, b"rows").unwrap();
        let cache = PageCache::new(0);
        cache.written(gone, 4);
        cache.written(there.clone(), 4);
        assert_eq!(std::fs::read(there).unwrap(), b"rows");
    }
}
