//! A folder as an object store, with the durability that a commit to the journal relies on.
//!
//! `object_store` writes local files without syncing them. Once an archived object is committed, the
//! WAL that held its records is deleted, so here every new object and every new directory entry is
//! synced before it counts. Staging files are named `<object>#<random>`, which listings leave out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;

/// Creates a folder and its parents, durably.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    create_folder(parent)?;
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("creation", folder, error)),
    }
    sync_folder(parent)
}

/// Stores bytes under a name that must not exist yet.
pub(crate) fn put_new(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let target = root.join(path);
    let staging = stage(&target)?;
    let written = write_synced(&staging, bytes).and_then(|()| publish(&staging, &target));
    let removed = fs::remove_file(&staging);
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists(path.to_owned()),
        _ => failed("creation", &target, error),
    })?;
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removal", &staging, error));
        }
        _ => {}
    }
    sync_folder(target.parent().unwrap_or(root))
}

/// Moves a file to a name that must not exist yet: without copying where both are on one file system.
/// Answers where it is.
pub(crate) fn move_new(root: &Path, path: &str, local: &Path) -> Result<PathBuf, Error> {
    let target = root.join(path);
    let staging = stage(&target)?;
    if target.exists() {
        return Err(Error::AlreadyExists(path.to_owned()));
    }
    File::open(local).and_then(|file| file.sync_all()).map_err(|error| failed("sync", local, error))?;
    if fs::rename(local, &target).is_err() {
        let copied = copy_synced(local, &staging).and_then(|()| fs::rename(&staging, &target));
        if let Err(error) = copied {
            // What is left of the staging file is swept later.
            let _ = fs::remove_file(&staging);
            return Err(failed("creation", &target, error));
        }
        fs::remove_file(local).map_err(|error| failed("removal", local, error))?;
    }
    sync_folder(target.parent().unwrap_or(root))?;
    Ok(target)
}

/// Gives a staging file its name, atomically if the file system has hard links.
fn publish(staging: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(staging, target) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !target.exists() => {
            fs::rename(staging, target)
        }
        result => result,
    }
}

/// Creates the target's folder and names a staging file beside it.
fn stage(target: &Path) -> Result<PathBuf, Error> {
    create_folder(target.parent().unwrap_or(Path::new("/")))?;
    let mut name = target.as_os_str().to_owned();
    name.push(format!("#{}", rand::random::<u32>()));
    Ok(PathBuf::from(name))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn copy_synced(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = File::create_new(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    target.sync_all()
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("sync", folder, error))
}

/// Reads ranges of a file.
pub(crate) fn read_ranges(file: &Path, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
    let opened = File::open(file).map_err(|error| Error::io("read", path, error))?;
    let length = opened.metadata().map_err(|error| Error::io("read", path, error))?.len();
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        if range.end > length {
            let reason = format!("it has {length} bytes, {} are needed", range.end);
            return Err(Error::Corrupt { path: path.to_owned(), reason });
        }
        let mut piece = vec![0; (range.end - range.start) as usize];
        opened.read_exact_at(&mut piece, range.start).map_err(|error| Error::io("read", path, error))?;
        pieces.push(Bytes::from(piece));
    }
    Ok(pieces)
}

/// Removes staging files that nobody has touched for so long. Returns how many.
pub(crate) fn sweep_staging(folder: &Path, grace: Duration) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let mut swept = 0;
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            swept += sweep_staging(&entry.path(), grace);
            continue;
        }
        let staging = entry.file_name().to_string_lossy().contains('#');
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if staging && age.is_some_and(|age| age > grace) && fs::remove_file(entry.path()).is_ok() {
            swept += 1;
        }
    }
    swept
}

fn failed(operation: &'static str, path: &Path, error: io::Error) -> Error {
    Error::io(operation, path.display().to_string(), error)
}
