//! Committed offsets: the state machine says who may, the store keeps them.

use super::Coordinator;
use crate::error::Error;
use crate::offsets::{CommitRequest, Expirable};
use crate::store::{CommittedOffset, OffsetKey};

impl Coordinator {
    /// OffsetCommit. Returns when the offsets are durable. A group that only commits offsets comes
    /// to be by doing so.
    pub async fn commit_offsets(&self, request: CommitRequest) -> Result<(), Error> {
        self.check_id(&request.group_id)?;
        let hosted = match self.shared.host(&request.group_id) {
            Some(hosted) => hosted,
            None if request.generation >= 0 => return Err(Error::IllegalGeneration),
            None => self.shared.host_or_create(&request.group_id)?,
        };
        self.shared.peek(&hosted, |group, now| group.check_commit(now, &request))?;
        let CommitRequest { group_id, offsets, retention_ms, .. } = request;
        self.shared.store().commit_offsets(&group_id, offsets, retention_ms).await?;
        Ok(())
    }

    /// Whether a group takes offsets that are committed with a transaction; a group that has only
    /// those comes to be by it. They are stored by the transaction coordinator.
    pub fn check_transactional_commit(&self, request: &CommitRequest) -> Result<(), Error> {
        self.check_id(&request.group_id)?;
        let hosted = match self.shared.host(&request.group_id) {
            Some(hosted) => hosted,
            None if request.generation >= 0 => return Err(Error::IllegalGeneration),
            None => self.shared.host_or_create(&request.group_id)?,
        };
        self.shared.peek(&hosted, |group, now| group.check_transactional_commit(now, request))
    }

    /// OffsetFetch: the committed offsets of some partitions, or of all that have one.
    pub async fn fetch_offsets(
        &self,
        group_id: &str,
        keys: Option<Vec<OffsetKey>>,
    ) -> Result<Vec<CommittedOffset>, Error> {
        Ok(self.shared.store().fetch_offsets(group_id, keys).await?)
    }

    /// Which offsets of a group may expire; nothing of a group that does not exist.
    pub fn expirable_offsets(&self, group_id: &str) -> Expirable {
        let hosted = self.shared.host(group_id);
        hosted.map_or(Expirable::Nothing, |hosted| self.shared.peek(&hosted, |group, _| group.expirable()))
    }

    /// Forgets a group that has neither members nor offsets. Offsets that are committed at this
    /// moment are not lost: the group stays, or comes to be again.
    pub async fn retire(&self, group_id: &str) -> Result<(), Error> {
        match self.shared.host(group_id) {
            Some(hosted) => self.shared.retire(&hosted).await,
            None => Ok(()),
        }
    }

    /// OffsetDelete. Answers the keys that were spared because a member subscribes to their topic.
    pub async fn delete_offsets(
        &self,
        group_id: &str,
        keys: Vec<(String, OffsetKey)>,
    ) -> Result<Vec<OffsetKey>, Error> {
        self.check_id(group_id)?;
        let hosted = self.shared.host(group_id).ok_or(Error::GroupIdNotFound)?;
        let in_use = self.shared.peek(&hosted, |group, _| group.check_delete_offsets())?;
        let (spared, doomed): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|(topic, _)| in_use.binary_search(topic).is_ok());
        let doomed = doomed.into_iter().map(|(_, key)| key).collect();
        self.shared.store().delete_offsets(group_id, doomed).await?;
        Ok(spared.into_iter().map(|(_, key)| key).collect())
    }
}
