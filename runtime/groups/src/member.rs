//! One member of a group, as the state machine keeps it.

use bytes::Bytes;

use crate::group::Ticket;
use crate::requests::{JoinedMember, Protocol};

/// A member. `joining` and `syncing` are the requests that wait for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// When it is out, unless it waits for us.
    pub(crate) session_deadline: u64,
    /// It has not seen the end of a rebalance yet; its client may be gone without our knowing.
    pub(crate) is_new: bool,
    pub(crate) joining: Option<Ticket>,
    pub(crate) syncing: Option<Ticket>,
}

impl Member {
    /// What it said under a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|p| p.name == protocol).map(|p| p.metadata.clone()).unwrap_or_default()
    }

    /// As the leader gets to see it.
    pub(crate) fn as_joined(&self, protocol: Option<&str>) -> JoinedMember {
        JoinedMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            metadata: protocol.map(|name| self.metadata(name)).unwrap_or_default(),
        }
    }

    /// The first of `candidates` in the member's order of preference.
    pub(crate) fn vote<'a>(&'a self, candidates: &[&str]) -> Option<&'a str> {
        self.protocols.iter().map(|p| p.name.as_str()).find(|name| candidates.contains(name))
    }

    /// The time at which it expires; none while it waits for an answer of ours.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        let waits_for_us = self.joining.is_some() || self.syncing.is_some();
        (self.is_new || !waits_for_us).then_some(self.session_deadline)
    }

    /// Bytes it holds that a client chose.
    pub(crate) fn size_bytes(&self) -> usize {
        self.assignment.len() + protocols_size(&self.protocols)
    }
}

/// Bytes of a member's protocols.
pub(crate) fn protocols_size(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|p| p.name.len() + p.metadata.len()).sum()
}
