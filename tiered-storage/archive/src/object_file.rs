//! The local file into which an object is written before it is uploaded.
//!
//! Where the bucket is a folder, the file itself becomes the object and has to be on disk first. Left to the end, that
//! would be hundreds of megabytes at once, and each fdatasync of the log that comes meanwhile waits behind them. So
//! what is written is synced a piece at a time, by a thread of its own, while the next piece is made; whoever writes
//! faster than that waits for it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// About as much as the disk writes while a small write waits for a millisecond or two.
const PIECE_BYTES: u64 = 2 << 20;

/// Written from start to end. A flush tells of errors in syncing, too; what little comes after it, a footer, is left
/// to whoever syncs the whole.
pub struct ObjectFile {
    file: File,
    syncing: Option<Syncing>,
    unsynced_bytes: u64,
}

impl ObjectFile {
    pub(crate) fn create(path: &Path, becomes_object: bool) -> io::Result<ObjectFile> {
        let file = File::create(path)?;
        let syncing = if becomes_object { Some(Syncing::start(file.try_clone()?)?) } else { None };
        Ok(ObjectFile { file, syncing, unsynced_bytes: 0 })
    }
}

impl Write for ObjectFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced_bytes += written as u64;
        if self.unsynced_bytes >= PIECE_BYTES
            && let Some(syncing) = self.syncing.take()
        {
            self.syncing = Some(syncing.more()?);
            self.unsynced_bytes = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.syncing.take().map_or(Ok(()), Syncing::end)
    }
}

/// The thread that syncs. It ends when this is dropped.
struct Syncing {
    due: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Syncing {
    fn start(file: File) -> io::Result<Syncing> {
        let (due, asked) = sync_channel(1);
        let sync_all = move || asked.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("object-sync".into()).spawn(sync_all)?;
        Ok(Syncing { due, thread })
    }

    /// Waits until what was due before is being synced.
    fn more(self) -> io::Result<Syncing> {
        match self.due.send(()) {
            Ok(()) => Ok(self),
            // It has ended, so it failed.
            Err(_) => {
                Err(self.end().err().unwrap_or_else(|| io::Error::other("the thread that syncs has ended")))
            }
        }
    }

    fn end(self) -> io::Result<()> {
        drop(self.due);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs panicked")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufWriter;

    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for becomes_object in [false, true] {
            let path = folder.path().join("object");
            let bytes: Vec<u8> = (0..5 * PIECE_BYTES + 7).map(|index| (index % 251) as u8).collect();
            let file = ObjectFile::create(&path, becomes_object).unwrap();
            let mut out = BufWriter::new(file);
            for part in bytes.chunks(100_000) {
                out.write_all(part).unwrap();
            }
            out.flush().unwrap();
            drop(out);
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_failed_sync_is_told_by_the_next_write_and_by_flush() {
        // A pipe cannot be synced.
        let syncing = || {
            let (_, writer) = std::io::pipe().unwrap();
            Syncing::start(File::from(std::os::fd::OwnedFd::from(writer))).unwrap()
        };
        let out = || tempfile::tempfile().unwrap();
        let mut file = ObjectFile { file: out(), syncing: Some(syncing()), unsynced_bytes: PIECE_BYTES };
        let failed = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            file.unsynced_bytes = PIECE_BYTES;
            file.write(b"x").err()
        });
        assert_eq!(failed.unwrap().raw_os_error(), Some(rustix::io::Errno::INVAL.raw_os_error()));
        let mut file = ObjectFile { file: out(), syncing: Some(syncing()), unsynced_bytes: PIECE_BYTES };
        file.write_all(b"x").unwrap();
        assert!(file.flush().is_err());
    }
}
