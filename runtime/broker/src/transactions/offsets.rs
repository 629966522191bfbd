//! Offsets of a consumer group that are committed with a transaction.

use tidemill_groups::{CommitRequest, CommittedOffset, OffsetKey};
use tidemill_state::{Command, CommitTransactionalOffsets, GroupOffset, Outcome, PartitionId};

use super::{Transactions, refused};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::rejected;
use crate::producer_ids::ProducerIdentity;

impl Transactions {
    /// TxnOffsetCommit, after the group has agreed. Version 1 has added the group before.
    pub(crate) async fn commit_offsets(
        &self,
        id: &str,
        who: ProducerIdentity,
        version: u8,
        request: CommitRequest,
    ) -> Result<(), Error> {
        let groups = [request.group_id.clone()];
        let transaction = if version >= 2 {
            self.add(id, who, version, &[], &groups).await?
        } else {
            self.confirmed(id, who, &[], &groups).map_err(refused)?
        };
        let journal = self.journals.settle(&request.group_id).await?;
        let command = CommitTransactionalOffsets {
            group_id: request.group_id,
            producer_id: who.producer_id,
            producer_epoch: who.producer_epoch,
            transaction,
            offsets: request.offsets.into_iter().map(to_offset).collect(),
            now_ms: self.clock.now_ms(),
        };
        match journal.propose(Command::CommitTransactionalOffsets(command)).await? {
            Outcome::Rejected(rejection) => Err(rejected(&rejection)),
            _ => Ok(()),
        }
    }

    /// Of these partitions, or of all, those with an offset that an open transaction may commit.
    pub(crate) fn unstable_offsets(&self, group_id: &str, keys: Option<&[OffsetKey]>) -> Vec<OffsetKey> {
        let Some(journal) = self.journals.home(group_id) else {
            return Vec::new();
        };
        journal.state(|state| {
            let Some(group) = state.group(group_id).filter(|group| group.has_pending_offsets()) else {
                return Vec::new();
            };
            match keys {
                Some(keys) => {
                    let pending = keys.iter().filter(|key| group.has_pending_offset(&to_partition(key)));
                    pending.copied().collect()
                }
                None => group.pending_partitions().map(to_key).collect(),
            }
        })
    }
}

impl Broker {
    /// TxnOffsetCommit; `version` is the client's transaction version.
    pub async fn commit_transactional_offsets(
        &self,
        transactional_id: &str,
        who: ProducerIdentity,
        version: u8,
        request: CommitRequest,
    ) -> Result<(), OffsetsRefused> {
        self.groups.check_transactional_commit(&request).map_err(OffsetsRefused::Group)?;
        Ok(self.transactions.commit_offsets(transactional_id, who, version, request).await?)
    }

    /// Of these partitions, or of all, those with an offset of the group that an open transaction may
    /// commit.
    #[must_use]
    pub fn unstable_offsets(&self, group_id: &str, keys: Option<&[OffsetKey]>) -> Vec<OffsetKey> {
        self.transactions.unstable_offsets(group_id, keys)
    }
}

fn to_offset(committed: CommittedOffset) -> GroupOffset {
    GroupOffset {
        partition: to_partition(&committed.key),
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata,
    }
}

fn to_partition(key: &OffsetKey) -> PartitionId {
    PartitionId { topic_id: key.topic_id, partition: key.partition }
}

fn to_key(partition: &PartitionId) -> OffsetKey {
    OffsetKey { topic_id: partition.topic_id, partition: partition.partition }
}

/// Why offsets of a transaction were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetsRefused {
    /// By the group.
    Group(tidemill_groups::Error),
    /// By the coordinator of the transaction, or because they could not be stored.
    Transaction(Error),
}

impl From<Error> for OffsetsRefused {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::NotLeaderOrFollower => {
                Self::Transaction(Error { kind: ErrorKind::CoordinatorNotAvailable, ..error })
            }
            _ => Self::Transaction(error),
        }
    }
}
