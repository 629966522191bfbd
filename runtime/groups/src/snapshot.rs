//! What survives of a group: generation, leader, members, assignment.
//!
//! Format (`docs/formats/group-snapshot.md`), all integers big-endian:
//! ```text
//! u8  version = 1
//! i32 generation
//! opt protocol_type   opt protocol   opt leader
//! u32 member count, then per member, in the order of their ids:
//!     str id   opt instance_id   str client_id   str client_host
//!     u64 session_timeout_ms   u64 rebalance_timeout_ms
//!     u32 protocol count, then per protocol:  str name   str metadata
//!     str assignment
//! ```
//! `str` is a u32 length and as many bytes (UTF-8 but for metadata and assignment); `opt` is a u8,
//! 0 or 1, and after 1 a `str`. Nothing may follow. A group with members is Stable when it is read
//! again: a snapshot with members is only ever written together with their assignment.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};

use crate::group::{Group, GroupState};
use crate::member::Member;
use crate::requests::Protocol;

const VERSION: u8 = 1;

/// A snapshot does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a newer Tidemill.
    #[error("group snapshot version {0} is not known")]
    Version(u8),
    /// Damaged.
    #[error("group snapshot is damaged: {0}")]
    Damaged(&'static str),
}

/// The group as it is, or with `proposed` for its members' assignments.
pub(crate) fn encode(group: &Group, proposed: Option<&BTreeMap<String, Bytes>>) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.put_i32(group.generation);
    put_opt(&mut out, group.protocol_type.as_deref());
    put_opt(&mut out, group.protocol.as_deref());
    put_opt(&mut out, group.leader.as_deref());
    out.put_u32(length(group.members.len()));
    for member in group.members.values() {
        put(&mut out, member.id.as_bytes());
        put_opt(&mut out, member.instance_id.as_deref());
        put(&mut out, member.client_id.as_bytes());
        put(&mut out, member.client_host.as_bytes());
        out.put_u64(member.session_timeout_ms);
        out.put_u64(member.rebalance_timeout_ms);
        out.put_u32(length(member.protocols.len()));
        for protocol in &member.protocols {
            put(&mut out, protocol.name.as_bytes());
            put(&mut out, &protocol.metadata);
        }
        let proposal = proposed.and_then(|shares| shares.get(&member.id));
        put(&mut out, proposal.unwrap_or(&member.assignment));
    }
    out
}

impl Group {
    /// Reads a group back at the start of the coordinator. Every member gets a full session.
    pub fn restore(snapshot: &[u8], now: u64) -> Result<Group, SnapshotError> {
        let mut reader = Reader(snapshot);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let mut group = Group { generation: reader.i32()?, stored: true, ..Group::new() };
        group.protocol_type = reader.opt()?;
        group.protocol = reader.opt()?;
        group.leader = reader.opt()?;
        for _ in 0..reader.u32()? {
            let member = reader.member(now)?;
            if let Some(instance) = &member.instance_id {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        if !reader.0.is_empty() {
            return Err(SnapshotError::Damaged("bytes after the end"));
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
            if group.leader.as_ref().is_none_or(|leader| !group.members.contains_key(leader)) {
                return Err(SnapshotError::Damaged("the leader is not a member"));
            }
        }
        Ok(group)
    }
}

fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(length(bytes.len()));
    out.put_slice(bytes);
}

fn put_opt(out: &mut Vec<u8>, text: Option<&str>) {
    out.put_u8(u8::from(text.is_some()));
    if let Some(text) = text {
        put(out, text.as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], SnapshotError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(SnapshotError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        self.take(N)?.try_into().map_err(|_| SnapshotError::Damaged("it ends too early"))
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, SnapshotError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<Bytes, SnapshotError> {
        let n = usize::try_from(self.u32()?).map_err(|_| SnapshotError::Damaged("a length"))?;
        Ok(Bytes::copy_from_slice(self.take(n)?))
    }

    fn text(&mut self) -> Result<String, SnapshotError> {
        String::from_utf8(self.bytes()?.into()).map_err(|_| SnapshotError::Damaged("text is not UTF-8"))
    }

    fn opt(&mut self) -> Result<Option<String>, SnapshotError> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(self.text()?)),
            _ => Err(SnapshotError::Damaged("a flag is neither 0 nor 1")),
        }
    }

    fn member(&mut self, now: u64) -> Result<Member, SnapshotError> {
        let id = self.text()?;
        let instance_id = self.opt()?;
        let client_id = self.text()?;
        let client_host = self.text()?;
        let session_timeout_ms = self.u64()?;
        let rebalance_timeout_ms = self.u64()?;
        let mut protocols = Vec::new();
        for _ in 0..self.u32()? {
            protocols.push(Protocol { name: self.text()?, metadata: self.bytes()? });
        }
        Ok(Member {
            id,
            instance_id,
            client_id,
            client_host,
            session_timeout_ms,
            rebalance_timeout_ms,
            protocols,
            assignment: self.bytes()?,
            session_deadline: now.saturating_add(session_timeout_ms),
            is_new: false,
            joining: None,
            syncing: None,
        })
    }
}
