//! What the log's commands have built up, and everything that follows from applying one.
//!
//! Knows nothing of Raft beyond positions. Entries come in log order from one task; readers look at
//! the state under a short lock, and the checkpointer takes what changed under it and writes outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tidemill_disk::Disk;
use tidemill_state::{
    ApplyContext, Changes, CheckpointStore, Effect, LogPosition, Outcome, PartitionId, State,
};
use tidemill_wal::{LogId, Wal};
use tokio::sync::Notify;

use crate::entry::EntryData;
use crate::health::Health;
use crate::raft::WireMembership;
use crate::{Error, Listener};

/// The applied side of a journal.
pub(crate) struct Machine {
    pub(crate) wal: Wal,
    pub(crate) health: Arc<Health>,
    disk: Arc<dyn Disk>,
    listener: Arc<dyn Listener>,
    built: RwLock<Built>,
    /// Held while a checkpoint is written.
    checkpoints: Mutex<Checkpoints>,
    /// Bytes of entries applied since the last checkpoint.
    applied_bytes: AtomicU64,
    /// Wakes the checkpointer.
    pub(crate) applied_more: Notify,
}

/// What the log has built up, and how far.
pub(crate) struct Built {
    pub(crate) state: State,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: WireMembership,
    /// An entry was begun and not finished: the state fits no position and must not be kept.
    pub(crate) is_torn: bool,
}

impl Built {
    fn whole(&self) -> Result<(), Error> {
        if self.is_torn {
            return Err(Error::Stopped("an entry could not be applied to its end".into()));
        }
        Ok(())
    }
}

/// The checkpoint on disk, and what goes into the next one besides what the state says.
struct Checkpoints {
    /// None after the journal has ended.
    store: Option<CheckpointStore>,
    /// The last entry in the one on disk.
    written: Option<LogId>,
    /// Changes of one that failed.
    changes: Changes,
}

impl Checkpoints {
    fn write(&mut self, at: LogId, membership: &WireMembership) -> Result<(), Error> {
        let store = self.store.as_ref().ok_or_else(|| Error::Stopped("it was closed".into()))?;
        let position = LogPosition { term: at.term, node_id: at.node_id, index: at.index };
        let meta = crate::raft::encode_membership(membership)?;
        store.write(&self.changes, position, &meta)?;
        self.changes = Changes::default();
        self.written = Some(at);
        Ok(())
    }
}

/// The whole state, to be sent to another replica.
pub(crate) struct Export {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: WireMembership,
    pub(crate) state: Bytes,
}

impl Machine {
    pub(crate) fn new(
        wal: Wal,
        store: CheckpointStore,
        disk: Arc<dyn Disk>,
        health: Arc<Health>,
        listener: Arc<dyn Listener>,
        built: Built,
    ) -> Machine {
        let checkpoints =
            Checkpoints { store: Some(store), written: built.applied, changes: Changes::default() };
        Machine {
            wal,
            health,
            disk,
            listener,
            built: RwLock::new(built),
            checkpoints: Mutex::new(checkpoints),
            applied_bytes: AtomicU64::new(0),
            applied_more: Notify::new(),
        }
    }

    /// How far the log is applied, and who holds the journal as of there.
    pub(crate) fn position(&self) -> (Option<LogId>, WireMembership) {
        let built = self.built.read();
        (built.applied, built.membership.clone())
    }

    /// What is built up, for a short look.
    pub(crate) fn built(&self) -> RwLockReadGuard<'_, Built> {
        self.built.read()
    }

    pub(crate) fn state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.built.read().state)
    }

    /// Applies an entry that says nothing.
    pub(crate) fn skip(&self, log_id: LogId) {
        self.built.write().applied = Some(log_id);
        self.moved(0);
    }

    /// Applies an entry that says who holds the journal.
    pub(crate) fn set_membership(&self, log_id: LogId, membership: WireMembership) {
        let mut built = self.built.write();
        built.membership = membership;
        built.applied = Some(log_id);
        drop(built);
        self.moved(0);
    }

    /// Applies commands, indexes their batches, and tells the listener.
    pub(crate) fn apply(&self, log_id: LogId, entry: &EntryData) -> Result<Vec<Outcome>, Error> {
        let (outcomes, effects) = self.apply_quietly(log_id, entry)?;
        self.tell(&effects);
        self.moved(entry.len_bytes() as u64);
        Ok(outcomes)
    }

    /// Applies commands and indexes their batches.
    pub(crate) fn apply_quietly(
        &self,
        log_id: LogId,
        entry: &EntryData,
    ) -> Result<(Vec<Outcome>, Vec<Effect>), Error> {
        let context = ApplyContext { log_index: log_id.index, term: log_id.term };
        let mut outcomes = Vec::with_capacity(entry.commands.len());
        let mut effects = Vec::new();
        let mut built = self.built.write();
        built.whole()?;
        built.is_torn = true;
        for (ordinal, command) in entry.commands.iter().enumerate() {
            let applied = built.state.apply(&context, command);
            for effect in &applied.effects {
                self.follow(log_id.index, ordinal, &entry.extents, effect)?;
            }
            outcomes.push(applied.outcome);
            effects.extend(applied.effects);
        }
        built.applied = Some(log_id);
        built.is_torn = false;
        Ok((outcomes, effects))
    }

    /// Each partition that grew is announced once per entry, with where it now ends.
    fn tell(&self, effects: &[Effect]) {
        let mut grown: Vec<(PartitionId, i64)> = Vec::new();
        for effect in effects {
            self.listener.effect(effect);
            if let Effect::BatchAppended(batch) = effect {
                match grown.iter_mut().find(|(id, _)| *id == batch.partition) {
                    Some((_, end)) => *end = batch.last_offset + 1,
                    None => grown.push((batch.partition, batch.last_offset + 1)),
                }
            }
        }
        for (partition, high_watermark) in grown {
            self.listener.advanced(partition, high_watermark);
        }
    }

    fn moved(&self, bytes: u64) {
        self.applied_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.applied_more.notify_one();
    }

    /// Bytes of entries applied since the last checkpoint was begun.
    pub(crate) fn applied_bytes(&self) -> u64 {
        self.applied_bytes.load(Ordering::Relaxed)
    }

    /// Writes what was applied since the last checkpoint. Returns how far the one on disk now goes.
    /// An error leaves the one before in place; nothing is lost, for the log has it all.
    pub(crate) fn checkpoint(&self) -> Result<Option<LogId>, Error> {
        let mut checkpoints = self.checkpoints.lock();
        let (changes, applied, membership) = {
            let mut built = self.built.write();
            built.whole()?;
            let Some(applied) = built.applied else {
                return Ok(None);
            };
            if checkpoints.written == Some(applied) {
                return Ok(Some(applied));
            }
            self.applied_bytes.store(0, Ordering::Relaxed);
            (built.state.take_changes()?, applied, built.membership.clone())
        };
        checkpoints.changes.absorb(changes);
        self.wal.checkpoint_index(applied.index)?;
        self.crash_point("journal: checkpoint not written")?;
        checkpoints.write(applied, &membership)?;
        self.crash_point("journal: checkpoint written")?;
        Ok(Some(applied))
    }

    /// How far the checkpoint on disk goes.
    pub(crate) fn checkpointed(&self) -> Option<LogId> {
        self.checkpoints.lock().written
    }

    /// Closes the checkpoint's file: whoever opens the journal next must be alone with it, and the
    /// last of those who hold this may take their time to let go.
    pub(crate) fn close(&self) {
        self.checkpoints.lock().store = None;
    }

    fn crash_point(&self, name: &'static str) -> Result<(), Error> {
        self.disk.crash_point(name).map_err(|e| Error::Storage(e.to_string()))
    }

    /// All of the state, for another replica.
    pub(crate) fn export(&self) -> Result<Export, Error> {
        let built = self.built.read();
        built.whole()?;
        let state = built.state.export()?;
        Ok(Export { applied: built.applied, membership: built.membership.clone(), state: state.into() })
    }

    /// Replaces all of the state by another replica's, durably. What is hot here stays; batches that
    /// only the other one has are not hot here.
    pub(crate) fn install(&self, at: LogId, membership: WireMembership, content: Bytes) -> Result<(), Error> {
        let mut state = State::import(&content)?;
        let mut checkpoints = self.checkpoints.lock();
        if let Some(applied) = self.position().0 {
            self.wal.checkpoint_index(applied.index)?;
        }
        checkpoints.changes = state.take_changes()?;
        let written = checkpoints.write(at, &membership);
        if written.is_err() {
            // These changes belong to another state than the one that stays.
            checkpoints.store = None;
        }
        written?;
        *self.built.write() = Built { state, applied: Some(at), membership, is_torn: false };
        drop(checkpoints);
        self.release_hot();
        self.listener.replaced();
        Ok(())
    }
}
