//! The handle.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tidemill_disk::Disk;

use crate::error::Error;
use crate::flight::{self, Placed, Placing};
use crate::hot::Hot;
use crate::options::Options;
use crate::shared::Shared;
use crate::types::{EntryFrame, HotBatch, LogBounds, LogId, Recovered, Space, StoredEntry, Synced};
use crate::usage::{self, Pin, Reclaimed, Usage};
use crate::{checkpoint, page_cache, read, reclaim, recovery, spare, truncate, writer};

/// The write-ahead log of one journal. Clones are the same log. Every call blocks; one thread at a
/// time appends, truncates and purges, any number read.
#[derive(Clone)]
pub struct Wal {
    hot: Hot,
}

impl Wal {
    /// Opens the log below `dir/wal`, creating it if absent. Cuts a torn tail of the newest file;
    /// anything else that does not check out is [`Error::Corrupt`].
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Wal, Recovered), Error> {
        let (shared, recovered) = recovery::open(disk, &dir.join("wal"), options)?;
        Ok((Wal { hot: Hot { shared: Arc::new(shared) } }, recovered))
    }

    /// Writes entries after the last one. They are readable at once and durable after [`Wal::sync`].
    /// When this fails (other than with [`Error::Stopped`]) nothing was appended.
    pub fn append(&self, entries: Vec<EntryFrame>, space: Space) -> Result<(), Error> {
        writer::append(self.shared(), entries, space)
    }

    /// Gives entries their place after the last one. They are written there, past the page cache and durably,
    /// by [`Placed::write`], which may be called beside others of the kind; one that has to wait for others on
    /// their way does so here. When this fails (other than with [`Error::Stopped`]) nothing has changed.
    pub fn place(&self, entries: Vec<EntryFrame>, space: Space) -> Result<Placed, Error> {
        flight::place(&self.hot.shared, entries, space)
    }

    /// Whether entries should rather be placed than appended.
    #[must_use]
    pub fn prefers_placing(&self) -> bool {
        flight::is_preferred(self.shared())
    }

    /// Whether entries from `first` on, their frames `needed` bytes together, can be placed and
    /// their write begun ([`Placed::begin`]) without waiting for anything. Holds until somebody else places,
    /// appends or truncates.
    #[must_use]
    pub fn placing(&self, first: u64, needed: u64) -> Placing {
        flight::placing(self.shared(), first, needed)
    }

    /// Makes everything appended so far durable. A failure stops the log for good.
    pub fn sync(&self) -> Result<Synced, Error> {
        writer::sync(self.shared())
    }

    /// Lets memory go that holds what lies further behind the end than the log is to keep there. Takes
    /// no longer than a few system calls, but is better done when nobody waits.
    pub fn trim_page_cache(&self) {
        page_cache::trim(self.shared());
    }

    /// Entries of `range` that exist, in order, until their payloads exceed `max_bytes` (at least
    /// one if there is one).
    pub fn read_entries(&self, range: Range<u64>, max_bytes: u64) -> Result<Vec<StoredEntry>, Error> {
        read::read_entries(self.shared(), range, max_bytes)
    }

    /// Removes the entries from `index` on, durably. They must not have been applied.
    pub fn truncate_since(&self, index: u64) -> Result<(), Error> {
        truncate::truncate_since(self.shared(), index)
    }

    /// Forgets entries up to and including `upto` for readers of the log; their batches stay hot.
    /// May lie beyond the last entry (a snapshot was installed): the log then goes on after it.
    pub fn purge_upto(&self, upto: LogId) -> Result<(), Error> {
        truncate::purge_upto(self.shared(), upto)
    }

    /// The purge position and the last entry.
    #[must_use]
    pub fn bounds(&self) -> LogBounds {
        let index = self.shared().index.read();
        LogBounds { purged: index.purged, last: index.last }
    }

    /// Saves the vote, durably and atomically.
    pub fn save_vote(&self, vote: &[u8]) -> Result<(), Error> {
        truncate::save_vote(self.shared(), vote)
    }

    /// The last saved vote.
    #[must_use]
    pub fn read_vote(&self) -> Option<Vec<u8>> {
        self.shared().vote.lock().clone()
    }

    /// Tells where an applied batch went. In log order; batches already indexed are passed over, so
    /// replaying is harmless.
    pub fn index_batch(&self, batch: HotBatch) -> Result<(), Error> {
        self.shared().running()?;
        self.shared().index.write().index_batch(&batch)
    }

    /// Makes the index of all batches of entries up to `applied` durable, and gives closed files
    /// whose entries are all applied their footer. Call it after those batches were indexed and
    /// *before* committing a checkpoint that contains `applied`.
    pub fn checkpoint_index(&self, applied: u64) -> Result<(), Error> {
        checkpoint::checkpoint_index(self.shared(), applied)
    }

    /// Deletes closed files whose entries are all purged and at or below `checkpointed`, and whose
    /// batches are all released; copies small remainders forward so that their files can go.
    pub fn reclaim(&self, checkpointed: u64) -> Result<Reclaimed, Error> {
        reclaim::reclaim(self.shared(), checkpointed)
    }

    /// Whether it is time for [`Wal::write_spare`]: the next segment would be one whose blocks were
    /// never written.
    #[must_use]
    pub fn is_spare_due(&self) -> bool {
        spare::is_due(self.shared())
    }

    /// Writes a piece of a file for the next segment. Call it beside the thread that appends. Answers how many bytes
    /// were written.
    pub fn write_spare(&self) -> Result<u64, Error> {
        spare::write_some(self.shared())
    }

    /// Removes the files that wait to become segments. Whether there were any.
    pub fn give_up_spares(&self) -> Result<bool, Error> {
        spare::give_up(self.shared())
    }

    /// Disk usage.
    #[must_use]
    pub fn usage(&self) -> Usage {
        usage::usage(self.shared())
    }

    /// The partitions that keep the `files` oldest closed files, the largest first.
    #[must_use]
    pub fn pins(&self, files: usize) -> Vec<Pin> {
        usage::pins(self.shared(), files)
    }

    /// The hot store.
    #[must_use]
    pub fn hot(&self) -> &Hot {
        &self.hot
    }

    fn shared(&self) -> &Shared {
        &self.hot.shared
    }
}
