//! What can go wrong in the write-ahead log, by what a caller can do about it.

use std::io;

/// Why a call on the write-ahead log failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes on disk are not what was written there. Needs an operator; nothing was changed.
    #[error("{file} is corrupt at byte {position}: {reason}")]
    Corrupt {
        /// Name of the file inside the log's directory.
        file: String,
        /// Where in the file.
        position: u64,
        /// What does not check out.
        reason: String,
    },
    /// There is no room for this write; the log is as it was before. Works again when there is room.
    #[error("no room in the write-ahead log: {reason}")]
    DiskFull {
        /// Which bound was hit.
        reason: String,
    },
    /// The file system refused; the log is as it was before.
    #[error("cannot {operation} {file}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Name of the file inside the log's directory.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A sync failed earlier, so nobody knows what is on disk; only opening the log again helps.
    #[error("the write-ahead log has stopped: {reason}")]
    Stopped {
        /// What happened first.
        reason: String,
    },
    /// The offset lies before the first hot batch of the partition (or none is hot): ask the archive.
    #[error("offset {offset} is not in the hot store, which starts at {start:?}")]
    NotHot {
        /// The offset asked for.
        offset: i64,
        /// The partition's first hot offset.
        start: Option<i64>,
    },
    /// The caller broke the log's contract.
    #[error("the write-ahead log was misused: {reason}")]
    Misuse {
        /// How.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(operation: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
        let file = file.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::DiskFull { reason: format!("cannot {operation} {file}: {source}") }
            }
            _ => Error::Io { operation, file, source },
        }
    }

    pub(crate) fn corrupt(file: &str, position: u64, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: file.to_owned(), position, reason: reason.into() }
    }

    pub(crate) fn misuse(reason: impl Into<String>) -> Error {
        Error::Misuse { reason: reason.into() }
    }
}
