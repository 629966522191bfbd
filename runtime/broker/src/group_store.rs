//! Consumer groups kept in the journals: a group lives on one journal, fixed at its first use.

use std::sync::Arc;

use async_trait::async_trait;
use tidemill_disk::Clock;
use tidemill_groups::{CommittedOffset, GroupStore, OffsetKey, StoreError, StoredGroup};
use tidemill_journal::{Error as JournalError, Journal};
use tidemill_state::{
    Command, CommitOffsets, GroupOffset, GroupState, Outcome, PartitionId, PutGroup, Rejection,
};

use crate::error::ErrorKind;
use crate::journals::{Journals, Settled};

/// The broker's side of the group coordinator's contract.
pub(crate) struct JournalGroupStore {
    journals: Arc<Journals>,
    clock: Arc<dyn Clock>,
}

impl JournalGroupStore {
    pub(crate) fn new(journals: Arc<Journals>, clock: Arc<dyn Clock>) -> Self {
        Self { journals, clock }
    }

    /// The journal of a group that was used before.
    fn find(&self, group_id: &str) -> Option<&Journal> {
        self.journals.home(group_id)
    }

    /// The journal of a group, fixed now if this is its first use.
    async fn place(&self, group_id: &str) -> Result<Settled<'_>, StoreError> {
        self.journals.settle(group_id).await.map_err(|error| match error.kind {
            ErrorKind::InvalidRequest | ErrorKind::MessageTooLarge | ErrorKind::UnknownServerError => {
                StoreError::Refused(error.message)
            }
            _ => StoreError::Unavailable(error.message),
        })
    }

    async fn change(&self, journal: &Journal, command: Command) -> Result<(), StoreError> {
        match journal.propose(command).await.map_err(unavailable)? {
            // Nothing to forget is forgotten already.
            Outcome::Rejected(Rejection::NotFound(_)) => Ok(()),
            Outcome::Rejected(rejection) => Err(StoreError::Refused(rejection.to_string())),
            _ => Ok(()),
        }
    }
}

fn unavailable(error: JournalError) -> StoreError {
    match error {
        JournalError::TooLarge { .. } | JournalError::Invalid(_) => StoreError::Refused(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

fn to_partition(key: &OffsetKey) -> PartitionId {
    PartitionId { topic_id: key.topic_id, partition: key.partition }
}

/// The offsets of a group, all of them or those of some partitions.
fn select(group: &GroupState, keys: Option<&[OffsetKey]>) -> Vec<CommittedOffset> {
    let one = |id: &PartitionId, committed: &tidemill_state::CommittedOffset| CommittedOffset {
        key: OffsetKey { topic_id: id.topic_id, partition: id.partition },
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.to_string(),
    };
    match keys {
        None => group.offsets().iter().map(|(id, committed)| one(id, committed)).collect(),
        Some(keys) => keys
            .iter()
            .map(to_partition)
            .filter_map(|id| group.offset(&id).map(|committed| one(&id, committed)))
            .collect(),
    }
}

#[async_trait]
impl GroupStore for JournalGroupStore {
    async fn load(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let placed: Vec<(Arc<str>, u32)> = self.journals.metadata().state(|state| {
            state.metadata().group_journals().iter().map(|(id, journal)| (Arc::clone(id), *journal)).collect()
        });
        let stored = placed.into_iter().filter_map(|(group_id, journal)| {
            let journal = self.journals.data(journal).ok()?;
            journal.state(|state| {
                let snapshot = state.group(&group_id)?.snapshot().map(|snapshot| snapshot.to_vec());
                Some(StoredGroup { group_id: group_id.to_string(), snapshot })
            })
        });
        Ok(stored.collect())
    }

    async fn put_group(&self, group_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        let journal = self.place(group_id).await?;
        let put = PutGroup { group_id: group_id.to_owned(), snapshot, now_ms: self.clock.now_ms() };
        self.change(&journal, Command::PutGroup(put)).await
    }

    async fn delete_group(&self, group_id: &str) -> Result<(), StoreError> {
        let Some(journal) = self.find(group_id) else {
            return Ok(());
        };
        self.change(journal, Command::DeleteGroup { group_id: group_id.to_owned() }).await
    }

    async fn retire_group(&self, group_id: &str) -> Result<bool, StoreError> {
        let Some(journal) = self.find(group_id) else {
            return Ok(true);
        };
        let put =
            PutGroup { group_id: group_id.to_owned(), snapshot: Vec::new(), now_ms: self.clock.now_ms() };
        self.change(journal, Command::PutGroup(put)).await?;
        Ok(journal.state(|state| state.group(group_id).is_none()))
    }

    async fn commit_offsets(
        &self,
        group_id: &str,
        offsets: Vec<CommittedOffset>,
        retention_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        let journal = self.place(group_id).await?;
        let offsets = offsets.into_iter().map(|committed| GroupOffset {
            partition: to_partition(&committed.key),
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata,
        });
        let now_ms = self.clock.now_ms();
        let commit = CommitOffsets { group_id: group_id.to_owned(), offsets: offsets.collect(), now_ms };
        let command = match retention_ms {
            None => Command::CommitOffsets(commit),
            Some(kept_ms) => {
                Command::CommitOffsetsUntil { commit, expires_at_ms: now_ms.saturating_add(kept_ms) }
            }
        };
        self.change(&journal, command).await
    }

    async fn fetch_offsets(
        &self,
        group_id: &str,
        keys: Option<Vec<OffsetKey>>,
    ) -> Result<Vec<CommittedOffset>, StoreError> {
        let Some(journal) = self.find(group_id) else {
            return Ok(Vec::new());
        };
        Ok(journal.state(|state| {
            state.group(group_id).map(|group| select(group, keys.as_deref())).unwrap_or_default()
        }))
    }

    async fn delete_offsets(&self, group_id: &str, keys: Vec<OffsetKey>) -> Result<(), StoreError> {
        let Some(journal) = self.find(group_id) else {
            return Ok(());
        };
        let partitions = keys.iter().map(to_partition).collect();
        self.change(journal, Command::DeleteOffsets { group_id: group_id.to_owned(), partitions }).await
    }
}
