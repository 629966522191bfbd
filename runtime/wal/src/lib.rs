//! The write-ahead log in segment files, which is also the hot store.
//!
//! One log per journal. Entries of the replicated log are appended as checksummed frames to segment
//! files and synced; the record batches inside them are served from there (or from the cache of recent
//! entries) until they are archived. `docs/formats/wal.md` describes the files.
//!
//! The life of a batch:
//!
//! 1. [`Wal::append`] and [`Wal::sync`] make the entry that carries it durable.
//! 2. The journal applies the entry and says where the batch went: [`Wal::index_batch`]. From now on
//!    [`Hot::read`] finds it.
//! 3. [`Wal::checkpoint_index`] makes that knowledge durable, before the journal commits a checkpoint
//!    after which it will not apply the entry again.
//! 4. [`Hot::release`]: the batch is archived or trimmed.
//! 5. [`Wal::purge_upto`] and [`Wal::reclaim`]: when nothing in a file is needed, it is deleted; small
//!    remainders are copied forward first.
//!
//! Invariants:
//!
//! - What was synced is there after any crash; what was not is there as a prefix.
//! - Only the newest segment can have an unsynced tail of entries; a segment is closed by a sync and
//!   its successor exists durably before it is written to.
//! - A numbered file has its final name only when its header is durable.
//! - A gap between segments is always covered by a durable purge position.
//! - Bytes that do not check out are cut only where a crash can have torn them; elsewhere they are
//!   [`Error::Corrupt`], never skipped.
//! - After a failed sync every call says [`Error::Stopped`].
//!
//! No lock that a reader takes is held across I/O.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//! use tidemill_disk::SimDisk;
//! use tidemill_wal::{EntryFrame, LogId, Options, Space, Wal};
//!
//! let disk = Arc::new(SimDisk::new(1));
//! let (wal, _) = Wal::open(disk.clone(), Path::new("/journal"), Options::default())?;
//! let log_id = LogId { term: 1, node_id: 1, index: 1 };
//! wal.append(vec![EntryFrame { log_id, parts: vec!["some ".into(), "bytes".into()] }], Space::Normal)?;
//! wal.sync()?;
//!
//! let after_power_cut = Arc::new(disk.crash());
//! let (wal, recovered) = Wal::open(after_power_cut, Path::new("/journal"), Options::default())?;
//! assert_eq!(recovered.last, Some(log_id));
//! assert_eq!(wal.read_entries(1..2, 1024)?[0].payload(), "some bytes");
//! # Ok::<(), tidemill_wal::Error>(())
//! ```

mod atomic_file;
mod cache;
mod checkpoint;
mod error;
mod file;
mod flight;
mod frame;
mod header;
mod hot;
mod index;
mod names;
mod options;
mod page_cache;
mod read;
mod read_demand;
mod reclaim;
mod recovery;
mod relocate;
mod scan;
mod shared;
mod spare;
mod truncate;
mod types;
mod usage;
mod wal;
mod window;
mod writer;

pub use error::Error;
pub use flight::{Placed, Placing};
pub use hot::{Hot, HotRead, TimestampHit};
pub use options::{DirectWrites, Options};
pub use types::{
    EntryFrame, HotBatch, LogBounds, LogId, Recovered, Space, StoredEntry, Synced, TornTail, WalPartition,
};
pub use usage::{FileUsage, Pin, Reclaimed, Usage};
pub use wal::Wal;
