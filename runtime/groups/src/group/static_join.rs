//! A static member (KIP-345) that comes back without its member id, usually after a restart.

use super::{AfterPersist, Effect, Group, GroupState, Ticket};
use crate::error::Error;
use crate::options::Options;
use crate::requests::{JoinRequest, Joined};

impl Group {
    /// Gives the instance a new member id, fences the old one, and rebalances only if it must.
    #[allow(clippy::too_many_arguments, reason = "one step of join, with all of its context")]
    pub(crate) fn rejoin_static(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        old_id: &str,
        new_id: String,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut member) = self.members.remove(old_id) else {
            self.add_member(now, ticket, request, new_id, options, effects);
            return;
        };
        if let Some(waiting) = member.joining.take() {
            effects.push(Effect::Join(waiting, Err(Error::FencedInstanceId)));
        }
        if let Some(waiting) = member.syncing.take() {
            effects.push(Effect::Sync(waiting, Err(Error::FencedInstanceId)));
        }
        let old_leader = self.leader.clone().unwrap_or_default();
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.unsynced.remove(old_id) {
            self.unsynced.insert(new_id.clone());
        }
        member.id.clone_from(&new_id);
        if let Some(instance) = &member.instance_id {
            self.statics.insert(instance.clone(), new_id.clone());
        }
        self.members.insert(new_id.clone(), member);
        let skipping = request.supports_skipping_assignment;
        self.update_member(ticket, request, &new_id, effects);
        self.touch(now, &new_id);
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol => {
                self.answer_static(ticket, &new_id, old_leader, skipping, effects);
            }
            // The leader may have the old id in the assignment it is about to send.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(now, options, effects);
            }
            GroupState::PreparingRebalance => self.try_complete_join(now, effects),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// Nothing changes for the group: the member keeps its assignment, without a rebalance.
    fn answer_static(
        &mut self,
        ticket: Ticket,
        member_id: &str,
        old_leader: String,
        supports_skipping: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.joining = None;
        }
        let leads = supports_skipping && self.is_leader(member_id);
        // Before version 9 a leader cannot be told to skip the assignment, and one that it sent to
        // a stable group would not be passed on: so it is told that the old member id leads.
        let leader = if supports_skipping { self.leader.clone().unwrap_or_default() } else { old_leader };
        let joined = Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            member_id: member_id.to_owned(),
            skip_assignment: leads,
            members: if leads { self.joined_members(self.protocol.as_deref()) } else { Vec::new() },
        };
        self.persist(AfterPersist::StaticRejoined { ticket, joined }, None, effects);
    }
}
