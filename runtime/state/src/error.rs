//! Errors of the codec and the checkpoint store. Apply has none: it answers an `Outcome`.

use std::io;

/// What can go wrong outside of apply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for more than a limit allows.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes or elements.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes that do not check out.
    #[error("corrupt {what}: {reason}")]
    Corrupt {
        /// Which kind of data.
        what: &'static str,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// Data of a format version this build does not know.
    #[error("{what} has format version {version}, which this version does not know")]
    UnknownVersion {
        /// Which kind of data.
        what: &'static str,
        /// The version found.
        version: u8,
    },
    /// The checkpoint's file could not be read or written.
    #[error("checkpoint store: {context}")]
    Store {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn corrupt(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Corrupt { what, reason: reason.into() }
    }
}
