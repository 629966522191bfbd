//! What replicas say to each other, as bytes.
//!
//! ```text
//! u8      version (1)
//! u32 LE  length of head
//! head    postcard of Request or Response
//! rest    the payloads of the entries, one after another (Append), or the snapshot (Snapshot)
//! ```
//! A message comes from a socket in the end: every length is checked, nothing is allocated for a
//! count that the message's own size does not cover.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::types::{LogId, Membership, SnapshotMeta, StoredMembership, Vote};
use crate::Error;
use crate::entry::MembershipRecord;

const VERSION: u8 = 1;
const PREFIX_BYTES: usize = 5;

/// A log id on the wire and in checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireLogId {
    term: u64,
    index: u64,
}

/// A vote on the wire and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireVote {
    term: u64,
    voted_for: Option<u64>,
    committed: bool,
}

/// A membership with the entry that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireMembership {
    log_id: Option<WireLogId>,
    record: MembershipRecord,
}

impl WireMembership {
    /// The membership that an entry sets.
    pub(crate) fn new(log_id: tidemill_wal::LogId, record: MembershipRecord) -> WireMembership {
        WireMembership { log_id: Some(WireLogId { term: log_id.term, index: log_id.index }), record }
    }

    /// Who holds the journal.
    pub(crate) fn record(&self) -> &MembershipRecord {
        &self.record
    }
}

/// One entry of an append; its payload follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireEntry {
    pub(crate) log_id: WireLogId,
    pub(crate) payload_bytes: u32,
}

/// A question to a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Take these entries.
    Append {
        vote: WireVote,
        previous: Option<WireLogId>,
        entries: Vec<WireEntry>,
        committed: Option<WireLogId>,
    },
    /// Vote for me.
    Vote { vote: WireVote, last: Option<WireLogId> },
    /// Take this state instead of yours.
    Snapshot { vote: WireVote, last: Option<WireLogId>, membership: WireMembership },
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Response {
    /// The entries were taken.
    Appended,
    /// Those up to here were.
    PartlyAppended(Option<WireLogId>),
    /// The entry before them is not the same here.
    Conflict,
    /// A later leader is known here.
    HigherVote(WireVote),
    /// To a request for a vote.
    Voted { vote: WireVote, granted: bool, last: Option<WireLogId> },
    /// The snapshot was taken, or this is why not.
    Installed(WireVote),
    /// The replica has stopped, or the request makes no sense.
    Failed(String),
}

/// Puts a head and what follows it into one message.
pub(crate) fn encode<T: Serialize>(head: &T, rest: &[Bytes]) -> Result<Bytes, Error> {
    let mut message = vec![VERSION, 0, 0, 0, 0];
    message = postcard::to_extend(head, message)
        .map_err(|e| Error::Invalid(format!("message cannot be encoded: {e}")))?;
    let head_bytes = u32::try_from(message.len() - PREFIX_BYTES)
        .map_err(|_| Error::Invalid("message head exceeds 4 GiB".into()))?;
    if let Some(slot) = message.get_mut(1..PREFIX_BYTES) {
        slot.copy_from_slice(&head_bytes.to_le_bytes());
    }
    let total = message.len() + rest.iter().map(Bytes::len).sum::<usize>();
    let mut whole = BytesMut::with_capacity(total);
    whole.put_slice(&message);
    for part in rest {
        whole.put_slice(part);
    }
    Ok(whole.freeze())
}

/// Takes a message apart.
pub(crate) fn decode<T: for<'a> Deserialize<'a>>(mut message: Bytes) -> Result<(T, Bytes), Error> {
    if message.len() < PREFIX_BYTES {
        return Err(Error::Invalid("message shorter than its prefix".into()));
    }
    let version = message.get_u8();
    if version != VERSION {
        return Err(Error::Invalid(format!("message of version {version}")));
    }
    let head_bytes = message.get_u32_le() as usize;
    if head_bytes > message.len() {
        return Err(Error::Invalid("message shorter than its head".into()));
    }
    let head = message.split_to(head_bytes);
    let head = postcard::from_bytes(&head).map_err(|e| Error::Invalid(format!("message head: {e}")))?;
    Ok((head, message))
}

/// What a checkpoint holds beside the state: who holds the journal.
pub(crate) fn encode_membership(membership: &WireMembership) -> Result<Vec<u8>, Error> {
    encode(membership, &[]).map(Vec::from)
}

/// Reads it back.
pub(crate) fn decode_membership(stored: Vec<u8>) -> Result<WireMembership, Error> {
    let broken = |e: Error| Error::Corrupt(format!("membership in the checkpoint: {e}"));
    decode(Bytes::from(stored)).map(|(membership, _)| membership).map_err(broken)
}

impl From<LogId> for WireLogId {
    fn from(id: LogId) -> WireLogId {
        WireLogId { term: id.leader_id.term, index: id.index }
    }
}

impl From<WireLogId> for LogId {
    fn from(id: WireLogId) -> LogId {
        LogId::new(openraft::CommittedLeaderId::new(id.term, 0), id.index)
    }
}

impl From<Vote> for WireVote {
    fn from(vote: Vote) -> WireVote {
        WireVote { term: vote.leader_id.term, voted_for: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl From<WireVote> for Vote {
    fn from(wire: WireVote) -> Vote {
        let mut vote = Vote { committed: wire.committed, ..Vote::default() };
        vote.leader_id.term = wire.term;
        vote.leader_id.voted_for = wire.voted_for;
        vote
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> MembershipRecord {
        MembershipRecord {
            voters: membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect(),
            nodes: membership.nodes().map(|(id, _)| *id).collect(),
        }
    }
}

impl From<&MembershipRecord> for Membership {
    fn from(record: &MembershipRecord) -> Membership {
        let voters = record.voters.iter().map(|set| set.iter().copied().collect()).collect();
        Membership::new(voters, super::types::voters(&record.nodes))
    }
}

impl From<&StoredMembership> for WireMembership {
    fn from(stored: &StoredMembership) -> WireMembership {
        WireMembership { log_id: stored.log_id().map(WireLogId::from), record: stored.membership().into() }
    }
}

impl From<&WireMembership> for StoredMembership {
    fn from(wire: &WireMembership) -> StoredMembership {
        StoredMembership::new(wire.log_id.map(LogId::from), (&wire.record).into())
    }
}

/// A snapshot's description as it travels.
pub(crate) fn snapshot_meta(last: Option<WireLogId>, membership: &WireMembership) -> SnapshotMeta {
    let last_log_id = last.map(LogId::from);
    SnapshotMeta {
        last_log_id,
        last_membership: membership.into(),
        snapshot_id: last_log_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
