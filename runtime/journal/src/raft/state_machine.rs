//! Openraft's state machine, around ours.

use std::io;
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{ErrorSubject, ErrorVerb, RaftSnapshotBuilder};
use parking_lot::Mutex;
use tidemill_state::Outcome;

use super::log_store::Recent;
use super::types::{
    Body, Entry, LogId, Membership, Snapshot, SnapshotMeta, SnapshotSource, StorageError, StoredMembership,
    TypeConfig, raft_log_id, wal_log_id,
};
use super::wire::{self, WireMembership};
use crate::Error;
use crate::durable::Durable;
use crate::entry::{EntryData, Payload};
use crate::machine::Machine;

/// The state machine, as openraft drives it: on one task, in log order.
pub(crate) struct StateMachine {
    pub(crate) machine: Arc<Machine>,
    pub(crate) recent: Arc<Mutex<Recent>>,
    pub(crate) durable: Arc<Durable>,
}

impl StateMachine {
    async fn apply_entry(&self, entry: Entry) -> Result<Vec<Outcome>, Error> {
        let log_id = wal_log_id(&entry.log_id);
        self.durable.reached(log_id.index).await?;
        match entry.body {
            Body::Blank => self.machine.skip(log_id),
            Body::Membership(membership) => {
                self.machine.set_membership(log_id, stored(entry.log_id, &membership));
            }
            Body::Commands(data) => return self.machine.apply(log_id, &data),
            Body::Raw(_) | Body::InLog => {
                let data = self.read(log_id.index).await?;
                return self.machine.apply(log_id, &data);
            }
        }
        Ok(Vec::new())
    }

    async fn read(&self, index: u64) -> Result<EntryData, Error> {
        let wal = self.machine.wal.clone();
        let reading = tokio::task::spawn_blocking(move || wal.read_entries(index..index + 1, 0));
        let read = reading.await.map_err(|e| Error::Storage(e.to_string()))?;
        let stored = read.map_err(|e| Error::Storage(e.to_string()))?.pop();
        let stored = stored.ok_or_else(|| Error::Corrupt(format!("entry {index} is not in the log")))?;
        match Payload::decode(stored.payload())? {
            Payload::Commands(data) => Ok(data),
            _ => Err(Error::Corrupt(format!("entry {index} does not hold commands"))),
        }
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let (applied, membership) = self.machine.position();
        let applied = applied?;
        let meta = wire::snapshot_meta(Some(raft_log_id(applied).into()), &membership);
        Some(Snapshot { meta, snapshot: Box::new(SnapshotSource::Own(self.machine.clone())) })
    }

    fn fatal(&self, subject: ErrorSubject<u64>, error: Error) -> StorageError {
        self.machine.health.stop(error.to_string());
        StorageError::from_io_error(subject, ErrorVerb::Write, io::Error::other(error))
    }
}

fn stored(log_id: LogId, membership: &Membership) -> WireMembership {
    (&StoredMembership::new(Some(log_id), membership.clone())).into()
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let (applied, membership) = self.machine.position();
        Ok((applied.map(raft_log_id), (&membership).into()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Vec<Outcome>>, StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut outcomes = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            match self.apply_entry(entry).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Err(self.fatal(ErrorSubject::Apply(log_id), error)),
            }
            self.recent.lock().applied(log_id.index);
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(self.snapshot())
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotSource>, StorageError> {
        Ok(Box::new(SnapshotSource::Received(bytes::Bytes::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<SnapshotSource>,
    ) -> Result<(), StorageError> {
        let subject = ErrorSubject::Snapshot(Some(meta.signature()));
        let SnapshotSource::Received(content) = *snapshot else {
            return Ok(());
        };
        let Some(last) = meta.last_log_id else {
            return Ok(());
        };
        let membership = WireMembership::from(&meta.last_membership);
        let machine = self.machine.clone();
        let installing =
            tokio::task::spawn_blocking(move || machine.install(wal_log_id(&last), membership, content));
        let installed = installing.await.unwrap_or_else(|e| Err(Error::Storage(e.to_string())));
        installed.map_err(|e| self.fatal(subject, e))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        Ok(self.snapshot())
    }
}

/// "Builds" a snapshot by noting what is applied; see [`SnapshotSource`].
pub(crate) struct Builder(Option<Snapshot>);

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        self.0.take().ok_or_else(|| {
            let error = io::Error::other("nothing was applied yet");
            StorageError::from_io_error(ErrorSubject::Snapshot(None), ErrorVerb::Read, error)
        })
    }
}
