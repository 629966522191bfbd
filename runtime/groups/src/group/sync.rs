//! SyncGroup: the leader's assignment in, everybody's share out.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{AfterPersist, Effect, Group, GroupState, Ticket};
use crate::error::Error;
use crate::options::Options;
use crate::requests::{SyncRequest, Synced};

impl Group {
    /// SyncGroup. The answer comes as an effect for `ticket`, now or later.
    pub fn sync(&mut self, now: u64, ticket: Ticket, request: SyncRequest, options: &Options) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_sync(now, ticket, request, options, &mut effects) {
            effects.push(Effect::Sync(ticket, Err(error)));
        }
        effects
    }

    fn try_sync(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: SyncRequest,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        if self.state == GroupState::Dead {
            return Err(Error::NotAvailable("the group was deleted".into()));
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(Error::IllegalGeneration);
        }
        let differs = |own: &Option<String>, given: &Option<String>| given.is_some() && own != given;
        if differs(&self.protocol_type, &request.protocol_type) || differs(&self.protocol, &request.protocol)
        {
            return Err(Error::InconsistentProtocol);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => return Err(Error::UnknownMemberId),
            GroupState::PreparingRebalance => return Err(Error::RebalanceInProgress),
            GroupState::Stable => {
                self.unsynced.remove(&request.member_id);
                self.touch(now, &request.member_id);
                effects.push(Effect::Sync(ticket, self.synced(&request.member_id)));
            }
            GroupState::CompletingRebalance => {
                self.await_assignment(now, ticket, request, options, effects)?
            }
        }
        Ok(())
    }

    fn await_assignment(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: SyncRequest,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let leads = self.is_leader(&request.member_id);
        let assignments =
            if leads { Some(self.checked_assignments(request.assignments, options)?) } else { None };
        self.unsynced.remove(&request.member_id);
        self.touch(now, &request.member_id);
        if let Some(member) = self.members.get_mut(&request.member_id)
            && let Some(replaced) = member.syncing.replace(ticket)
        {
            effects.push(Effect::Sync(replaced, Err(Error::UnknownMemberId)));
        }
        let generation = self.generation;
        let under_way = |(_, after): &(u64, AfterPersist)| matches!(after, AfterPersist::Assign { generation: g, .. } if *g == generation);
        if let Some(assignments) = assignments
            && !self.persisting.iter().any(under_way)
        {
            let after = AfterPersist::Assign { generation, assignments: assignments.clone() };
            self.persist(after, Some(&assignments), effects);
        }
        Ok(())
    }

    /// One share per member, nothing for anybody else, within the limits.
    fn checked_assignments(
        &self,
        given: Vec<(String, Bytes)>,
        options: &Options,
    ) -> Result<BTreeMap<String, Bytes>, Error> {
        let mut given: BTreeMap<String, Bytes> = given.into_iter().collect();
        let shares: BTreeMap<String, Bytes> =
            self.members.keys().map(|id| (id.clone(), given.remove(id).unwrap_or_default())).collect();
        let protocols: usize =
            self.members.values().map(|m| crate::member::protocols_size(&m.protocols)).sum();
        let total: usize = shares.values().map(Bytes::len).sum();
        if shares.values().any(|share| share.len() > options.max_member_bytes)
            || protocols + total > options.max_group_bytes
        {
            return Err(Error::InvalidRequest(format!("an assignment of {total} bytes is too large")));
        }
        Ok(shares)
    }

    /// The store has the assignment: everybody gets a share.
    pub(crate) fn hand_out(
        &mut self,
        now: u64,
        mut assignments: BTreeMap<String, Bytes>,
        effects: &mut Vec<Effect>,
    ) {
        self.state = GroupState::Stable;
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = assignments.remove(&member_id).unwrap_or_default();
            }
            let synced = self.synced(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else {
                continue;
            };
            if let Some(ticket) = member.syncing.take() {
                member.session_deadline = now.saturating_add(member.session_timeout_ms);
                effects.push(Effect::Sync(ticket, synced));
            }
        }
    }

    /// Tells everybody who waits for an assignment that it will not come.
    pub(crate) fn refuse_syncs(&mut self, error: &Error, effects: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(ticket) = member.syncing.take() {
                effects.push(Effect::Sync(ticket, Err(error.clone())));
            }
        }
    }

    fn synced(&self, member_id: &str) -> Result<Synced, Error> {
        let member = self.members.get(member_id).ok_or(Error::UnknownMemberId)?;
        Ok(Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        })
    }
}
