//! What members ask and what they get, without the protocol's versions.

use bytes::Bytes;

use crate::error::Error;

/// An assignor a member supports, with what it tells the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The assignor's name.
    pub name: String,
    /// For the consumer protocol: the subscription.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinRequest {
    /// The group.
    pub group_id: String,
    /// Empty for a member that has no id yet.
    pub member_id: String,
    /// A static member's lasting name (KIP-345).
    pub instance_id: Option<String>,
    /// From the request header.
    pub client_id: String,
    /// Where it comes from, as DescribeGroups shows it.
    pub client_host: String,
    /// After this long without a sign of life the member is out.
    pub session_timeout_ms: i32,
    /// How long the others wait for this member in a rebalance.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// In order of preference.
    pub protocols: Vec<Protocol>,
    /// JoinGroup 4 and later: a member without id first gets one and joins again (KIP-394).
    pub require_known_member_id: bool,
    /// JoinGroup 9 and later: a restarted static leader may be told to skip the assignment.
    pub supports_skipping_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its lasting name, for a static member.
    pub instance_id: Option<String>,
    /// What it said under the chosen protocol.
    pub metadata: Bytes,
}

/// The answer to JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation that begins.
    pub generation: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: Option<String>,
    /// The chosen assignor.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The asking member's id.
    pub member_id: String,
    /// The leader need not assign: the assignment in force stays.
    pub skip_assignment: bool,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinedMember>,
}

/// SyncGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// The group.
    pub group_id: String,
    /// The generation that JoinGroup answered.
    pub generation: i32,
    /// Who asks.
    pub member_id: String,
    /// Its lasting name.
    pub instance_id: Option<String>,
    /// Must be the group's, if given.
    pub protocol_type: Option<String>,
    /// Must be the chosen one, if given.
    pub protocol: Option<String>,
    /// From the leader: what each member gets.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// `consumer`, `connect`, …
    pub protocol_type: Option<String>,
    /// The chosen assignor.
    pub protocol: Option<String>,
    /// What the member gets.
    pub assignment: Bytes,
}

/// Heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The generation the member believes in.
    pub generation: i32,
    /// Who asks.
    pub member_id: String,
    /// Its lasting name.
    pub instance_id: Option<String>,
}

/// LeaveGroup: one member, or several by their instance ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One who leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its id; may be empty for a static member.
    pub member_id: String,
    /// Its lasting name.
    pub instance_id: Option<String>,
}

/// What became of one who leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As asked.
    pub member: LeavingMember,
    /// Whether it left.
    pub result: Result<(), Error>,
}
