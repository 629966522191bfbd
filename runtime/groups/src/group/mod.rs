//! A classic group as a pure state machine.
//!
//! ```text
//!            first join                    all joined, or time is up
//!   Empty ───────────────► PreparingRebalance ───────────────► CompletingRebalance
//!     ▲                       │        ▲  ▲                        │        │
//!     └───────────────────────┘        │  └────────────────────────┘        │ the leader's assignment
//!        nobody left                   │      join, leave, expiry           ▼ is durable
//!                                      └──────────────────────────────── Stable
//! ```
//! `Dead` is the end: the group was deleted, its requests are told to look for a coordinator again.
//!
//! Invariants:
//! - outside of Empty and Dead there is a leader, and it is a member;
//! - the generation never decreases, and rises by one when members have joined;
//! - a member has at most one waiting join and one waiting sync; whoever waits is answered: by the
//!   end of the rebalance, by an error, or by a deadline that [`Group::next_deadline`] shows;
//! - an assignment is handed out only after the store has it.

mod join;
mod membership;
mod rebalance;
mod static_join;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::error::Error;
use crate::member::Member;
use crate::options::Options;
use crate::requests::{Joined, Synced};

/// Names a request that waits for an answer; chosen by the shell.
pub type Ticket = u64;

/// Kafka's states of a classic group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members.
    Empty,
    /// Members are joining.
    PreparingRebalance,
    /// The leader assigns.
    CompletingRebalance,
    /// Every member has its assignment, or can ask for it.
    Stable,
    /// Deleted.
    Dead,
}

impl GroupState {
    /// The name Kafka's tools show.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

/// What the shell has to do after a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a waiting JoinGroup.
    Join(Ticket, Result<Joined, Error>),
    /// Answer a waiting SyncGroup.
    Sync(Ticket, Result<Synced, Error>),
    /// Store the snapshot, then call [`Group::persisted`] with the revision. A later snapshot
    /// stands for an earlier one that was not stored yet.
    Persist {
        /// Counts the snapshots of this group.
        revision: u64,
        /// To be stored.
        snapshot: Vec<u8>,
    },
}

/// What waits for a snapshot to be durable.
#[derive(Clone, Debug)]
pub(crate) enum AfterPersist {
    /// The group became empty; nobody waits.
    Nothing,
    /// The leader's assignment of a generation.
    Assign { generation: i32, assignments: BTreeMap<String, Bytes> },
    /// A static member came back under a new member id.
    StaticRejoined { ticket: Ticket, joined: Joined },
}

/// A rebalance that is collecting members.
#[derive(Clone, Debug)]
pub(crate) struct Collecting {
    pub(crate) deadline: u64,
    /// The group was empty: wait in steps of the initial delay, as long as members keep coming.
    pub(crate) initial: Option<InitialDelay>,
}

/// The rest of an initial delay.
#[derive(Clone, Debug)]
pub(crate) struct InitialDelay {
    pub(crate) step_ms: u64,
    pub(crate) remaining_ms: u64,
    pub(crate) member_added: bool,
}

/// One classic group.
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) state: GroupState,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) members: BTreeMap<String, Member>,
    /// Instance id of each static member to its member id.
    pub(crate) statics: BTreeMap<String, String>,
    /// Member ids handed out and not used yet, with the time they lapse.
    pub(crate) pending: BTreeMap<String, u64>,
    pub(crate) collecting: Option<Collecting>,
    /// Who has not synced in this generation, and until when.
    pub(crate) unsynced: BTreeSet<String>,
    pub(crate) sync_deadline: Option<u64>,
    pub(crate) revision: u64,
    pub(crate) persisting: Vec<(u64, AfterPersist)>,
    /// The store knows the group (a snapshot or offsets), so an empty one must stay.
    pub(crate) stored: bool,
}

impl Default for Group {
    fn default() -> Self {
        Group {
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            collecting: None,
            unsynced: BTreeSet::new(),
            sync_deadline: None,
            revision: 0,
            persisting: Vec::new(),
            stored: false,
        }
    }
}

impl Group {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it is in its life.
    pub fn state(&self) -> GroupState {
        self.state
    }

    /// The current generation; 0 before the first.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// The leader's member id.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// The ids of all members.
    pub fn member_ids(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// What a member was assigned.
    pub fn assignment(&self, member_id: &str) -> Option<&Bytes> {
        self.members.get(member_id).map(|member| &member.assignment)
    }

    /// Nothing would be lost if the group were forgotten.
    pub fn is_vacant(&self) -> bool {
        self.state == GroupState::Empty
            && !self.stored
            && self.generation == 0
            && self.pending.is_empty()
            && self.persisting.is_empty()
    }

    /// Ends the group. Only an empty one can be deleted.
    pub fn delete(&mut self) -> Result<(), Error> {
        match self.state {
            GroupState::Dead => Err(Error::GroupIdNotFound),
            GroupState::Empty => {
                self.state = GroupState::Dead;
                self.pending.clear();
                Ok(())
            }
            _ => Err(Error::NonEmptyGroup),
        }
    }

    /// Undoes [`Group::delete`], for when the store could not forget the group.
    pub fn undelete(&mut self) {
        if self.state == GroupState::Dead {
            self.state = GroupState::Empty;
        }
    }

    /// When [`Group::on_time`] wants to be called; none while there is nothing to wait for.
    pub fn next_deadline(&self) -> Option<u64> {
        let members = self.members.values().filter_map(Member::expires_at);
        let pending = self.pending.values().copied();
        let collecting = self.collecting.as_ref().map(|c| c.deadline);
        let syncing = self.sync_deadline.filter(|_| !self.unsynced.is_empty());
        members.chain(pending).chain(collecting).chain(syncing).min()
    }

    /// Takes the store's word on a snapshot and all before it.
    pub fn persisted(
        &mut self,
        now: u64,
        revision: u64,
        result: Result<(), Error>,
        options: &Options,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let all = std::mem::take(&mut self.persisting);
        let (done, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(r, _)| *r <= revision);
        self.persisting = rest;
        for (_, after) in done {
            match (after, &result) {
                (AfterPersist::Nothing, _) => {}
                (AfterPersist::Assign { generation, assignments }, result) => {
                    if self.state != GroupState::CompletingRebalance || self.generation != generation {
                        continue;
                    }
                    match result {
                        Ok(()) => self.hand_out(now, assignments, &mut effects),
                        Err(error) => {
                            self.refuse_syncs(error, &mut effects);
                            self.prepare_rebalance(now, options, &mut effects);
                        }
                    }
                }
                (AfterPersist::StaticRejoined { ticket, joined }, Ok(())) => {
                    effects.push(Effect::Join(ticket, Ok(joined)));
                }
                (AfterPersist::StaticRejoined { ticket, .. }, Err(error)) => {
                    effects.push(Effect::Join(ticket, Err(error.clone())));
                }
            }
        }
        effects
    }

    /// Asks the shell to store the group as it is, or as it will be with `proposed` assignments.
    pub(crate) fn persist(
        &mut self,
        after: AfterPersist,
        proposed: Option<&BTreeMap<String, Bytes>>,
        effects: &mut Vec<Effect>,
    ) {
        self.revision += 1;
        self.stored = true;
        let snapshot = crate::snapshot::encode(self, proposed);
        self.persisting.push((self.revision, after));
        effects.push(Effect::Persist { revision: self.revision, snapshot });
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Checks that a member is who it says; `Dead` and unknown groups are the caller's concern.
    pub(crate) fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), Error> {
        if let Some(instance) = instance_id {
            match self.statics.get(instance) {
                None => return Err(Error::UnknownMemberId),
                Some(current) if current != member_id => return Err(Error::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(Error::UnknownMemberId) }
    }

    /// A sign of life.
    pub(crate) fn touch(&mut self, now: u64, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.session_deadline = now.saturating_add(member.session_timeout_ms);
        }
    }

    /// Client-chosen bytes in the group.
    pub(crate) fn size_bytes(&self) -> usize {
        self.members.values().map(Member::size_bytes).sum()
    }
}
