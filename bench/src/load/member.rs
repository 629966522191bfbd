//! Members of a classic consumer group, each with a connection and a thread of its own.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::coordinator::{self, Key};
use super::wire::Wire;

const JOIN_VERSION: i16 = 5;
const SYNC_VERSION: i16 = 3;
const HEARTBEAT_VERSION: i16 = 3;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
/// How often a member asks whether the group is being rebalanced. Clients ask every three seconds by default, which
/// would hide what the coordinator does.
const HEARTBEAT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);
/// A member's subscription, in version 1 of the consumer protocol: one topic, no user data, nothing owned. Kafka reads
/// it, and leaves a join unanswered if it cannot.
const METADATA: Bytes = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x05bench\xff\xff\xff\xff\0\0\0\0");

/// How long it takes from the first request until `count` members that come at once have their assignments, all of
/// the same generation.
pub fn join_time(addr: &str, group: &str, count: usize) -> anyhow::Result<Duration> {
    coordinator::find(&mut Wire::connect(addr)?, Key::Group(group))?;
    let ready = Barrier::new(count + 1);
    std::thread::scope(|scope| {
        let spawn = |_| {
            let ready = &ready;
            scope.spawn(move || {
                let connected = Wire::connect(addr);
                ready.wait();
                Member { wire: connected?, group, id: StrBytes::default() }.stay(count)
            })
        };
        let members: Vec<_> = (0..count).map(spawn).collect();
        ready.wait();
        let started = Instant::now();
        let mut last = started;
        for member in members {
            last = last.max(member.join().map_err(|_| anyhow!("a member panicked"))??);
        }
        Ok(last - started)
    })
}

struct Member<'a> {
    wire: Wire,
    group: &'a str,
    id: StrBytes,
}

impl Member<'_> {
    /// Joins until the group has all its members; answers when it knew its part in that generation.
    fn stay(mut self, count: usize) -> anyhow::Result<Instant> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let joined = self.join()?;
            if let Some((at, size)) = self.synced(&joined)? {
                if size == count {
                    // It does not say that it leaves: others may not have asked for their part yet.
                    return Ok(at);
                }
                self.wait_for_rebalance(joined.generation_id)?;
            }
        }
        bail!("the group did not come together within {PATIENCE:?}")
    }

    fn group(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.group.to_owned()))
    }

    fn join(&mut self) -> anyhow::Result<JoinGroupResponse> {
        let started = Instant::now();
        loop {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str("range"))
                .with_metadata(METADATA);
            let request = JoinGroupRequest::default()
                .with_group_id(self.group())
                .with_session_timeout_ms(45_000)
                .with_rebalance_timeout_ms(60_000)
                .with_member_id(self.id.clone())
                .with_protocol_type(StrBytes::from_static_str("consumer"))
                .with_protocols(vec![protocol]);
            let answer = self.wire.call(&request, JOIN_VERSION)?;
            self.id = answer.member_id.clone();
            match answer.error_code {
                0 => return Ok(answer),
                MEMBER_ID_REQUIRED | REBALANCE_IN_PROGRESS => {}
                // Kafka names the coordinator somewhat earlier than it coordinates.
                code if coordinator::is_coming_up(code) && started.elapsed() < PATIENCE => {
                    std::thread::sleep(HEARTBEAT);
                }
                code => bail!("joining: error {code}"),
            }
        }
    }

    /// When this member knew its part, and how many there are by what the leader has put into each part; none if the
    /// group is being rebalanced again.
    fn synced(&mut self, joined: &JoinGroupResponse) -> anyhow::Result<Option<(Instant, usize)>> {
        let size = u32::try_from(joined.members.len())?;
        let part = Bytes::from([&size.to_be_bytes()[..], &METADATA].concat());
        let assignments = joined.members.iter().map(|member| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(part.clone())
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(joined.generation_id)
            .with_member_id(self.id.clone())
            .with_assignments(assignments.collect());
        let answer = self.wire.call(&request, SYNC_VERSION)?;
        let at = Instant::now();
        match answer.error_code {
            0 => {}
            REBALANCE_IN_PROGRESS => return Ok(None),
            code => bail!("syncing: error {code}"),
        }
        let size = answer.assignment.first_chunk::<4>().map(|size| u32::from_be_bytes(*size));
        Ok(Some((at, usize::try_from(size.unwrap_or_default())?)))
    }

    fn wait_for_rebalance(&mut self, generation: i32) -> anyhow::Result<()> {
        loop {
            let request = HeartbeatRequest::default()
                .with_group_id(self.group())
                .with_generation_id(generation)
                .with_member_id(self.id.clone());
            match self.wire.call(&request, HEARTBEAT_VERSION)?.error_code {
                0 => std::thread::sleep(HEARTBEAT),
                REBALANCE_IN_PROGRESS => return Ok(()),
                code => bail!("heartbeat: error {code}"),
            }
        }
    }
}
