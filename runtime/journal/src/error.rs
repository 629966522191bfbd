//! What can go wrong, in few kinds, each telling a caller what to do.

/// Why a journal did not do what it was asked. A command that was decided and refused is not an
/// error: it has the outcome [`Rejected`](tidemill_state::Outcome::Rejected).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More is waiting than the queue may hold. Nothing was written; try again later.
    #[error("journal overloaded: {queued_bytes} bytes wait for the disk already")]
    Overloaded {
        /// Bytes in the queue.
        queued_bytes: usize,
    },
    /// The disk is full, or failing to take writes. Nothing was written; works again by itself once
    /// there is room.
    #[error("disk full: {0}")]
    DiskFull(String),
    /// The command is larger than any entry may be. Nothing was written, and nothing ever will be.
    #[error("command of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Another node leads this journal. Nothing was written.
    #[error("not the leader of this journal (leader: {leader:?})")]
    NotLeader {
        /// Who does, if known.
        leader: Option<u64>,
    },
    /// The command was on its way when something failed: it may have been, or may yet be, committed.
    #[error("outcome unknown: {0}")]
    OutcomeUnknown(String),
    /// The journal has stopped, for this reason; only opening it again helps.
    #[error("journal stopped: {0}")]
    Stopped(String),
    /// Something on disk is not what was written there.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The disk failed while the journal was being opened or read.
    #[error("storage: {0}")]
    Storage(String),
    /// An option, or a message from a peer, makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
}

/// Why hot data could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The partition is not open on this journal.
    #[error("partition is not open on this journal")]
    UnknownPartition,
    /// The offset is older than what this replica holds hot: it is archived, or trimmed.
    #[error("offset {offset} is not hot; hot data starts at {hot_start:?}")]
    NotHot {
        /// What was asked for.
        offset: i64,
        /// First offset held hot, if any.
        hot_start: Option<i64>,
    },
    /// The offset is outside of the partition's log.
    #[error("offset {offset} is outside of {log_start_offset}..={high_watermark}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// First offset there is.
        log_start_offset: i64,
        /// Where the log ends.
        high_watermark: i64,
    },
    /// The disk failed, or what it holds is not what was written.
    #[error("read failed: {0}")]
    Storage(String),
}

impl From<tidemill_wal::Error> for Error {
    fn from(error: tidemill_wal::Error) -> Error {
        let message = error.to_string();
        match error {
            tidemill_wal::Error::Corrupt { .. } => Error::Corrupt(message),
            tidemill_wal::Error::DiskFull { .. } => Error::DiskFull(message),
            tidemill_wal::Error::Stopped { .. } => Error::Stopped(message),
            _ => Error::Storage(message),
        }
    }
}

impl From<tidemill_state::Error> for Error {
    fn from(error: tidemill_state::Error) -> Error {
        match error {
            tidemill_state::Error::Corrupt { .. } | tidemill_state::Error::UnknownVersion { .. } => {
                Error::Corrupt(error.to_string())
            }
            _ => Error::Storage(error.to_string()),
        }
    }
}

impl From<tidemill_wal::Error> for ReadError {
    fn from(error: tidemill_wal::Error) -> ReadError {
        match error {
            tidemill_wal::Error::NotHot { offset, start } => ReadError::NotHot { offset, hot_start: start },
            other => ReadError::Storage(other.to_string()),
        }
    }
}
