//! Object layout, upload, garbage collection and the local cache of the archive.
//!
//! An [`Archive`] is a bucket prefix (S3, GCS, Azure) or a local folder. Objects are written once,
//! under names nobody else uses, and never changed; they count when the journal has committed them.
//! [`Archive::read`] serves a fetch from an object that the journal's manifest names: footers are
//! kept parsed in memory, pieces of remote objects on local disk, both bounded. A local folder is
//! read as it is. Everything read is checked against the manifest's checksum.
//!
//! Time comes in from outside; the only clock used is the store's own, in `last_modified`.

mod archive;
mod backend;
mod error;
mod extent_cache;
mod garbage;
mod layout;
mod local_files;
mod modules;
mod object_file;
mod page_cache;
mod single_flight;
mod verify;
mod weighted_lru;

pub use archive::{Archive, ArchiveOptions, ArchiveStats, ArchivedRead, ObjectRef};
pub use error::Error;
pub use garbage::{Collected, ListedObject};
pub use layout::{object_path, topic_data_path};
pub use modules::MAX_MODULE_BYTES;
pub use object_file::ObjectFile;
pub use tidemill_archive_format::{AbortedTransaction, Codec};
pub use verify::Verified;
