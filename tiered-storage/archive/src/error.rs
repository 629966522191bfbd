//! What can go wrong with the archive.

use uuid::Uuid;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object store's URL or its settings cannot be used.
    #[error("object store {url}: {reason}")]
    Configuration {
        /// The URL as given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The bucket prefix belongs to another cluster.
    #[error("the object store is claimed by cluster {owner}; this is cluster {ours}. Use another prefix")]
    ForeignCluster {
        /// The cluster that came first.
        owner: Uuid,
        /// This one.
        ours: Uuid,
    },
    /// There is an object of this name, and objects are never replaced.
    #[error("object {0} exists already")]
    AlreadyExists(String),
    /// There is no object of this name.
    #[error("object {0} does not exist")]
    NotFound(String),
    /// The object is not what it should be.
    #[error("object {path} is corrupt: {reason}")]
    Corrupt {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The object store failed or could not be reached, after retries.
    #[error("{operation} of {path}: {source}")]
    Store {
        /// What was attempted.
        operation: &'static str,
        /// On which object.
        path: String,
        /// The cause.
        source: object_store::Error,
    },
    /// A local file could not be read or written.
    #[error("{operation} of {path}: {source}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Something is larger than it may be.
    #[error("{path} has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

impl Error {
    /// Wraps an object store's error, sorting out those a caller acts on.
    pub(crate) fn store(operation: &'static str, path: &str, source: object_store::Error) -> Self {
        let path = path.to_owned();
        match source {
            object_store::Error::NotFound { .. } => Error::NotFound(path),
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
                Error::AlreadyExists(path)
            }
            source => Error::Store { operation, path, source },
        }
    }

    /// Wraps a file system's error, sorting out those a caller acts on.
    pub(crate) fn io(operation: &'static str, path: impl Into<String>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(path),
            std::io::ErrorKind::AlreadyExists => Error::AlreadyExists(path),
            _ => Error::Io { operation, path, source },
        }
    }

    /// Wraps an error of the object format.
    pub(crate) fn format(path: &str, source: &tidemill_archive_format::Error) -> Self {
        Error::Corrupt { path: path.to_owned(), reason: source.to_string() }
    }
}
