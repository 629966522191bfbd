//! Limits and delays, with Kafka's names and defaults where Kafka has them.

/// Settings of a [`Coordinator`](crate::Coordinator).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: u64,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`: members of one group.
    pub max_group_size: usize,
    /// `offset.metadata.max.bytes`: the client's note beside an offset.
    pub offset_metadata_max_bytes: usize,
    /// Groups in memory.
    pub max_groups: usize,
    /// Bytes of one member's protocols together, and of one assignment.
    pub max_member_bytes: usize,
    /// Bytes of protocols and assignments of a whole group: its snapshot is one journal command.
    pub max_group_bytes: usize,
    /// Bytes of a group id, client id, instance id or protocol name.
    pub max_name_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            initial_rebalance_delay_ms: 3_000,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_group_size: 10_000,
            offset_metadata_max_bytes: 4_096,
            max_groups: 100_000,
            max_member_bytes: 4 << 20,
            max_group_bytes: 32 << 20,
            max_name_bytes: 1_024,
        }
    }
}
