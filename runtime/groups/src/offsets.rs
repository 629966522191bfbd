//! Who may commit and delete offsets of a group.

use crate::error::Error;
use crate::group::{Group, GroupState};
use crate::store::CommittedOffset;
use crate::subscription::subscribed_topics;

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// The group.
    pub group_id: String,
    /// The member's generation, or negative for a client that assigns itself.
    pub generation: i32,
    /// Who asks, or empty.
    pub member_id: String,
    /// Its lasting name.
    pub instance_id: Option<String>,
    /// What to commit.
    pub offsets: Vec<CommittedOffset>,
    /// How long to keep it in any case, which only clients of old say; none for as long as others.
    pub retention_ms: Option<i64>,
}

/// Which of a group's offsets may go when they are old enough (Kafka's `offsets.retention.minutes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expirable {
    /// None: members may still commit.
    Nothing,
    /// Those of topics that no member subscribes to.
    Except(Vec<String>),
    /// All: the group has no members.
    All,
}

impl Group {
    /// Which offsets may expire now.
    pub fn expirable(&self) -> Expirable {
        match self.state {
            // Whoever was given a member id is about to come.
            GroupState::Empty if self.pending.is_empty() => Expirable::All,
            GroupState::Stable => self.check_delete_offsets().map_or(Expirable::Nothing, Expirable::Except),
            _ => Expirable::Nothing,
        }
    }

    /// Whether this request may commit offsets now. It is a sign of life, too.
    pub fn check_commit(&mut self, now: u64, request: &CommitRequest) -> Result<(), Error> {
        if self.state == GroupState::Dead {
            return Err(Error::NotAvailable("the group was deleted".into()));
        }
        if self.state == GroupState::Empty && request.generation < 0 {
            // A client that assigns itself, or an admin tool.
            self.stored = true;
            return Ok(());
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(Error::IllegalGeneration);
        }
        self.touch(now, &request.member_id);
        match self.state {
            GroupState::CompletingRebalance => Err(Error::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether this request may commit offsets with a transaction. A producer that does not say which
    /// member it reads for is taken at its word, and a rebalance does not keep it from committing what
    /// was read before (KIP-447).
    pub fn check_transactional_commit(&mut self, now: u64, request: &CommitRequest) -> Result<(), Error> {
        if self.state == GroupState::Dead {
            return Err(Error::NotAvailable("the group was deleted".into()));
        }
        let names_member =
            request.generation >= 0 || !request.member_id.is_empty() || request.instance_id.is_some();
        if names_member {
            self.check_member(&request.member_id, request.instance_id.as_deref())?;
            if request.generation != self.generation {
                return Err(Error::IllegalGeneration);
            }
            self.touch(now, &request.member_id);
        }
        self.stored = true;
        Ok(())
    }

    /// Whether offsets may be deleted at all; if so, which topics are in use and must be spared.
    pub fn check_delete_offsets(&self) -> Result<Vec<String>, Error> {
        match self.state {
            GroupState::Dead => return Err(Error::GroupIdNotFound),
            GroupState::Empty => return Ok(Vec::new()),
            _ => {}
        }
        if self.protocol_type.as_deref() != Some("consumer") {
            return Err(Error::NonEmptyGroup);
        }
        let mut topics = Vec::new();
        for protocol in self.members.values().flat_map(|m| &m.protocols) {
            let named = subscribed_topics(&protocol.metadata).ok_or(Error::NonEmptyGroup)?;
            topics.extend(named.into_iter().map(str::to_owned));
        }
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }
}
