//! Settings of one log.

use std::hash::{BuildHasher, RandomState};

/// Which entries are written past the page cache ([`Wal::place`](crate::Wal::place)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectWrites {
    /// None.
    Never,
    /// Those that nobody is likely to read from the page cache, as far as the file system can.
    #[default]
    WhereUnread,
    /// All, as far as the file system can.
    Always,
}

/// Settings of one log. The defaults suit a broker; tests make everything small.
#[derive(Clone, Debug)]
pub struct Options {
    /// Written into every file and checked at open, so that directories are not mixed up.
    pub journal_id: u32,
    /// A file is closed when its entries reach this size.
    pub segment_bytes: u64,
    /// Bound of the cache of recent entries' payloads.
    pub cache_bytes: usize,
    /// Bound of the cache of closed files' batch indexes.
    pub index_cache_bytes: usize,
    /// Bytes of the newest entries that stay in the operating system's page cache.
    pub page_cache_bytes: u64,
    /// Which entries are written past the page cache.
    pub direct_writes: DirectWrites,
    /// Bound of all files together for [`Space::Normal`](crate::Space::Normal) writes.
    pub max_bytes: u64,
    /// Free space on the file system, and room above `max_bytes`, that producers' data may not use.
    /// Half of it is for [`Space::Reserve`](crate::Space::Reserve) writes, the other half for what the
    /// log itself has to write before it can delete files.
    pub reserve_bytes: u64,
    /// The active file takes space from the file system in steps of this.
    pub allocate_bytes: u64,
    /// Files kept or made for the next segments (`spare.rs`).
    pub spare_files: usize,
    /// Free space on the file system that making a file for a next segment has to leave.
    pub spare_reserve_bytes: u64,
    /// A closed file with no more live bytes than this is due: they are copied forward so that it can
    /// be deleted.
    pub relocate_below_bytes: u64,
    /// Nothing is copied forward while all files together are no larger than this.
    pub relocate_above_bytes: u64,
    /// Mixed into frame checksums so that a client cannot craft record bytes which pass for a
    /// frame. Random by default; simulations fix it.
    pub salt: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            journal_id: 0,
            segment_bytes: 64 << 20,
            cache_bytes: 32 << 20,
            index_cache_bytes: 16 << 20,
            page_cache_bytes: 512 << 20,
            direct_writes: DirectWrites::default(),
            max_bytes: u64::MAX,
            reserve_bytes: 64 << 20,
            allocate_bytes: 4 << 20,
            spare_files: 2,
            spare_reserve_bytes: 128 << 20,
            relocate_below_bytes: 4 << 20,
            relocate_above_bytes: 256 << 20,
            salt: RandomState::new().hash_one("salt"),
        }
    }
}
