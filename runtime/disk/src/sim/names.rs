//! The simulated name space: which name means which file, now and after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::random::SimRandom;

/// Identifies a file independently of its name.
pub(super) type InodeId = u64;

enum Change {
    Create { path: PathBuf, inode: InodeId },
    Rename { from: PathBuf, to: PathBuf, inode: InodeId },
    Remove { path: PathBuf },
}

impl Change {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Change::Create { path, .. } | Change::Remove { path } => vec![path],
            Change::Rename { from, to, .. } => vec![from, to],
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, InodeId>) {
        match self {
            Change::Create { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            Change::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Change::Remove { path } => {
                names.remove(path);
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Names {
    current: BTreeMap<PathBuf, InodeId>,
    durable: BTreeMap<PathBuf, InodeId>,
    unsynced: Vec<Change>,
    dirs: BTreeSet<PathBuf>,
}

impl Names {
    pub(super) fn current(&self) -> &BTreeMap<PathBuf, InodeId> {
        &self.current
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<InodeId> {
        self.current.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn list(&self, dir: &Path) -> Vec<String> {
        let inside = self.current.keys().filter(|path| path.parent() == Some(dir));
        inside.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect()
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) {
        self.dirs.extend(dir.ancestors().map(Path::to_path_buf));
    }

    pub(super) fn dirs(&self) -> &BTreeSet<PathBuf> {
        &self.dirs
    }

    /// Fails unless the directory that `path` is in exists.
    pub(super) fn expect_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if self.dirs.contains(parent) || parent.as_os_str().is_empty() => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, path: &Path, inode: InodeId) {
        self.change(Change::Create { path: path.to_path_buf(), inode });
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        self.change(Change::Rename { from: from.to_path_buf(), to: to.to_path_buf(), inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change(Change::Remove { path: path.to_path_buf() });
        Ok(())
    }

    /// Binds a name durably.
    pub(super) fn plant(&mut self, path: &Path, inode: InodeId) {
        self.current.insert(path.to_path_buf(), inode);
        self.durable.insert(path.to_path_buf(), inode);
    }

    /// Makes the changes in `dir` durable.
    pub(super) fn sync(&mut self, dir: &Path) {
        let unsynced = std::mem::take(&mut self.unsynced);
        for change in unsynced {
            if change.paths().iter().any(|path| path.parent() == Some(dir)) {
                change.apply(&mut self.durable);
            } else {
                self.unsynced.push(change);
            }
        }
    }

    /// What a crash leaves: each unsynced change kept or lost, and lost if it builds on a lost one.
    pub(super) fn survivor(&self, random: &mut SimRandom) -> BTreeMap<PathBuf, InodeId> {
        let mut names = self.durable.clone();
        let mut lost: BTreeSet<&Path> = BTreeSet::new();
        for change in &self.unsynced {
            let paths = change.paths();
            if random.one_in(2) || paths.iter().any(|path| lost.contains(path)) {
                lost.extend(paths);
            } else {
                change.apply(&mut names);
            }
        }
        names
    }

    /// Whether a file still has a name, or might have one after a crash.
    pub(super) fn refers_to(&self, inode: InodeId) -> bool {
        self.current.values().chain(self.durable.values()).any(|named| *named == inode)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }
}
