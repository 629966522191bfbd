//! What can go wrong with an archive object.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not an archive object that this version can read.
    #[error("corrupt archive object: {0}")]
    Corrupt(String),
    /// A block of the object does not match its checksum. The bytes may have been damaged on the
    /// way or in a cache: reading them again from the bucket may help.
    #[error("checksum mismatch in archive object at byte {position}")]
    Checksum {
        /// Where the damaged block begins.
        position: u64,
    },
    /// The object was written by a newer version.
    #[error("archive object has format version {0}, this program reads version {1}")]
    Version(u8, u8),
    /// A batch cannot be put into an object as asked.
    #[error("batch at offset {offset} cannot be archived: {reason}")]
    Rejected {
        /// Base offset of the batch.
        offset: i64,
        /// Why.
        reason: String,
    },
    /// A record batch did not parse or encode.
    #[error("record batch: {0}")]
    Records(#[from] tidemill_records::Error),
    /// The Parquet encoder failed.
    #[error("parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The output could not be written.
    #[error("writing archive object: {0}")]
    Io(#[from] std::io::Error),
}

/// Shorthand for a corruption error.
pub(crate) fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt(reason.into())
}
