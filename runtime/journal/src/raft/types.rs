//! The types openraft is parameterised with, and conversions from and to ours.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::raft::responder::Responder;
use openraft::{CommittedLeaderId, EmptyNode, TokioRuntime};
use tidemill_state::Outcome;

use crate::entry::EntryData;
use crate::machine::Machine;
use crate::proposer::{Failure, Waiters};

openraft::declare_raft_types!(
    /// Openraft as this crate uses it.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Vec<Outcome>,
        NodeId = u64,
        Node = EmptyNode,
        Entry = Entry,
        SnapshotData = SnapshotSource,
        Responder = Answer,
        AsyncRuntime = TokioRuntime,
);

pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type Membership = openraft::Membership<u64, EmptyNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, EmptyNode>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, EmptyNode>;
pub(crate) type Snapshot = openraft::Snapshot<TypeConfig>;

/// What the proposer hands to openraft.
pub(crate) struct Proposal {
    pub(crate) data: Arc<EntryData>,
    pub(crate) waiters: Arc<Waiters>,
}

/// Brings openraft's answer to those who wait. Dropped unanswered, it tells them that nobody knows.
pub(crate) struct Answer {
    waiters: Arc<Waiters>,
    data: Arc<EntryData>,
}

impl Responder<TypeConfig> for Answer {
    type Receiver = ();

    fn from_app_data(proposal: Proposal) -> (Proposal, Answer, ()) {
        let answer = Answer { waiters: proposal.waiters.clone(), data: proposal.data.clone() };
        (proposal, answer, ())
    }

    fn send(self, result: openraft::raft::ClientWriteResult<TypeConfig>) {
        match result {
            Ok(response) => self.waiters.decided(response.data),
            Err(openraft::error::ClientWriteError::ForwardToLeader(_)) if self.data.is_logged() => {
                // Cut from this log; one who still has it may lead some day.
                self.waiters.failed(&Failure::Unknown("the leader changed before it was decided".into()));
            }
            Err(openraft::error::ClientWriteError::ForwardToLeader(forward)) => {
                self.waiters.failed(&Failure::NotLeader(forward.leader_id));
            }
            Err(other) => self.waiters.failed(&Failure::Unknown(other.to_string())),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.waiters.failed(&Failure::Unknown("the journal stopped before it was decided".into()));
    }
}

/// One log entry.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) log_id: LogId,
    pub(crate) body: Body,
}

/// What an entry says.
#[derive(Clone)]
pub(crate) enum Body {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Who holds the journal.
    Membership(Membership),
    /// Commands.
    Commands(Arc<EntryData>),
    /// Some payload as it was read from the log, for passing on.
    Raw(Vec<Bytes>),
    /// Commands that are to be read from the log when they are needed, so that a long range of
    /// entries takes no memory.
    InLog,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Blank => write!(f, "{}:blank", self.log_id),
            Body::Membership(membership) => write!(f, "{}:{membership}", self.log_id),
            Body::Commands(data) => write!(f, "{}:{} bytes", self.log_id, data.len_bytes()),
            Body::Raw(_) | Body::InLog => write!(f, "{}:in log", self.log_id),
        }
    }
}

impl openraft::RaftLogId<u64> for Entry {
    fn get_log_id(&self) -> &LogId {
        &self.log_id
    }

    fn set_log_id(&mut self, log_id: &LogId) {
        self.log_id = *log_id;
    }
}

impl openraft::entry::RaftPayload<u64, EmptyNode> for Entry {
    fn is_blank(&self) -> bool {
        matches!(self.body, Body::Blank)
    }

    fn get_membership(&self) -> Option<&Membership> {
        match &self.body {
            Body::Membership(membership) => Some(membership),
            _ => None,
        }
    }
}

impl openraft::entry::RaftEntry<u64, EmptyNode> for Entry {
    fn new_blank(log_id: LogId) -> Entry {
        Entry { log_id, body: Body::Blank }
    }

    fn new_membership(log_id: LogId, membership: Membership) -> Entry {
        Entry { log_id, body: Body::Membership(membership) }
    }
}

impl openraft::entry::FromAppData<Proposal> for Entry {
    fn from_app_data(proposal: Proposal) -> Entry {
        Entry { log_id: LogId::default(), body: Body::Commands(proposal.data) }
    }
}

/// The content of a snapshot.
///
/// A snapshot of our own is not a copy: its content is taken from the state when it is sent, and
/// is then as new as the state, which may be newer than what its meta says. A receiver is told the
/// meta that fits.
pub(crate) enum SnapshotSource {
    /// This replica's own state.
    Own(Arc<Machine>),
    /// What a leader sent.
    Received(Bytes),
}

/// Our log id as openraft's.
pub(crate) fn raft_log_id(id: tidemill_wal::LogId) -> LogId {
    LogId::new(CommittedLeaderId::new(id.term, id.node_id), id.index)
}

/// Openraft's log id as ours. A term has one leader at most, so the id carries no node.
pub(crate) fn wal_log_id(id: &LogId) -> tidemill_wal::LogId {
    tidemill_wal::LogId { term: id.leader_id.term, node_id: 0, index: id.index }
}

/// A membership of these voters and nobody else.
pub(crate) fn voters(ids: &[u64]) -> BTreeMap<u64, EmptyNode> {
    ids.iter().map(|id| (*id, EmptyNode::new())).collect()
}
