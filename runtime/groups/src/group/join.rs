//! JoinGroup: who may come in, and whether that begins a rebalance.

use bytes::Bytes;

use super::{Effect, Group, GroupState, Ticket};
use crate::error::Error;
use crate::member::{Member, protocols_size};
use crate::options::Options;
use crate::requests::{JoinRequest, Joined, JoinedMember, Protocol};

/// How long a member that never saw the end of a rebalance is kept while it waits for one.
const NEW_MEMBER_TIMEOUT_MS: u64 = 5 * 60 * 1000;

impl Group {
    /// JoinGroup. The answer comes as an effect for `ticket`, now or later. `fresh_id` is a random
    /// string of which a new member's id is made.
    pub fn join(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        fresh_id: &str,
        options: &Options,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_join(now, ticket, request, fresh_id, options, &mut effects) {
            effects.push(Effect::Join(ticket, Err(error)));
        }
        effects
    }

    fn try_join(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        fresh_id: &str,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let timeout = request.session_timeout_ms;
        if timeout < options.min_session_timeout_ms || timeout > options.max_session_timeout_ms {
            return Err(Error::InvalidSessionTimeout);
        }
        if self.state == GroupState::Dead {
            return Err(Error::NotAvailable("the group was deleted".into()));
        }
        self.check_room(&request, options)?;
        if !self.supports(&request.protocol_type, &request.protocols) {
            return Err(Error::InconsistentProtocol);
        }
        if request.member_id.is_empty() {
            self.join_unknown(now, ticket, request, fresh_id, options, effects)
        } else {
            self.join_known(now, ticket, request, options, effects)
        }
    }

    /// Limits on members and bytes.
    fn check_room(&self, request: &JoinRequest, options: &Options) -> Result<(), Error> {
        let known = self.members.get(&request.member_id);
        let accepted = match self.state {
            GroupState::Empty | GroupState::Dead => self.pending.len() < options.max_group_size,
            GroupState::PreparingRebalance => {
                let waiting = self.members.values().filter(|m| m.joining.is_some()).count();
                known.is_some_and(|m| m.joining.is_some()) || waiting < options.max_group_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                let static_known = request.instance_id.as_ref().is_some_and(|i| self.statics.contains_key(i));
                known.is_some() || static_known || self.members.len() < options.max_group_size
            }
        };
        let pending_full = self.pending.len() >= options.max_group_size && known.is_none();
        let bytes = protocols_size(&request.protocols);
        let freed = known.map_or(0, |m| protocols_size(&m.protocols));
        let too_large = self.size_bytes().saturating_sub(freed) + bytes > options.max_group_bytes;
        if !accepted || pending_full || too_large {
            return Err(Error::GroupMaxSizeReached);
        }
        if bytes > options.max_member_bytes {
            return Err(Error::InvalidRequest(format!("{bytes} bytes of member metadata are too many")));
        }
        Ok(())
    }

    /// Whether a member with these protocols fits the members there are.
    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|p| {
                self.members.values().all(|member| member.protocols.iter().any(|own| own.name == p.name))
            })
    }

    fn join_unknown(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        fresh_id: &str,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let Some(instance) = request.instance_id.clone() else {
            let member_id = format!("{}-{fresh_id}", request.client_id);
            if request.require_known_member_id {
                let lapse = now.saturating_add(timeout_ms(request.session_timeout_ms));
                self.pending.insert(member_id.clone(), lapse);
                return Err(Error::MemberIdRequired { member_id });
            }
            self.add_member(now, ticket, request, member_id, options, effects);
            return Ok(());
        };
        let member_id = format!("{instance}-{fresh_id}");
        match self.statics.get(&instance).cloned() {
            Some(old_id) => self.rejoin_static(now, ticket, request, &old_id, member_id, options, effects),
            None => self.add_member(now, ticket, request, member_id, options, effects),
        }
        Ok(())
    }

    fn join_known(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let member_id = request.member_id.clone();
        if self.pending.contains_key(&member_id) && request.instance_id.is_none() {
            self.add_member(now, ticket, request, member_id, options, effects);
            return Ok(());
        }
        self.check_member(&member_id, request.instance_id.as_deref())?;
        let unchanged = self.members.get(&member_id).is_some_and(|m| m.protocols == request.protocols);
        match self.state {
            GroupState::PreparingRebalance => {
                self.update_member(ticket, request, &member_id, effects);
                self.try_complete_join(now, effects);
            }
            // It may not have got our answer, or it retries: tell it again where things stand.
            GroupState::CompletingRebalance if unchanged => {
                self.touch(now, &member_id);
                let joined = self.joined(&member_id);
                effects.push(Effect::Join(ticket, Ok(joined)));
            }
            GroupState::Stable if unchanged && !self.is_leader(&member_id) => {
                self.touch(now, &member_id);
                let joined = self.joined(&member_id);
                effects.push(Effect::Join(ticket, Ok(joined)));
            }
            // A leader that joins again wants a new assignment (topics may have changed).
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.update_member(ticket, request, &member_id, effects);
                self.prepare_rebalance(now, options, effects);
            }
            GroupState::Empty | GroupState::Dead => return Err(Error::UnknownMemberId),
        }
        Ok(())
    }

    pub(crate) fn add_member(
        &mut self,
        now: u64,
        ticket: Ticket,
        request: JoinRequest,
        member_id: String,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) {
        self.pending.remove(&member_id);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(instance) = &request.instance_id {
            self.statics.insert(instance.clone(), member_id.clone());
        }
        let member = Member {
            id: member_id.clone(),
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: timeout_ms(request.session_timeout_ms),
            rebalance_timeout_ms: rebalance_timeout_ms(
                request.rebalance_timeout_ms,
                request.session_timeout_ms,
            ),
            protocols: request.protocols,
            assignment: Bytes::new(),
            session_deadline: now.saturating_add(NEW_MEMBER_TIMEOUT_MS),
            is_new: true,
            joining: Some(ticket),
            syncing: None,
        };
        self.leader.get_or_insert_with(|| member_id.clone());
        self.members.insert(member_id, member);
        if let Some(initial) = self.collecting.as_mut().and_then(|c| c.initial.as_mut()) {
            initial.member_added = true;
        }
        if self.state == GroupState::PreparingRebalance {
            self.try_complete_join(now, effects);
        } else {
            self.prepare_rebalance(now, options, effects);
        }
    }

    /// Takes over what a member says now, and lets it wait for the end of the rebalance.
    pub(crate) fn update_member(
        &mut self,
        ticket: Ticket,
        request: JoinRequest,
        member_id: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.protocols = request.protocols;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        member.session_timeout_ms = timeout_ms(request.session_timeout_ms);
        member.rebalance_timeout_ms =
            rebalance_timeout_ms(request.rebalance_timeout_ms, request.session_timeout_ms);
        if let Some(replaced) = member.joining.replace(ticket) {
            // The same member asked twice, on another connection: only the later request counts.
            effects.push(Effect::Join(replaced, Err(Error::UnknownMemberId)));
        }
    }

    /// Where things stand, for one member.
    pub(crate) fn joined(&self, member_id: &str) -> Joined {
        let protocol = self.protocol.as_deref();
        let lead = self.is_leader(member_id) && self.state == GroupState::CompletingRebalance;
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: if lead { self.joined_members(protocol) } else { Vec::new() },
        }
    }

    pub(crate) fn joined_members(&self, protocol: Option<&str>) -> Vec<JoinedMember> {
        self.members.values().map(|member| member.as_joined(protocol)).collect()
    }
}

/// A checked, positive timeout from the wire.
pub(crate) fn timeout_ms(value: i32) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// JoinGroup 0 has no rebalance timeout: the session timeout stands in.
fn rebalance_timeout_ms(rebalance: i32, session: i32) -> u64 {
    if rebalance < 0 { timeout_ms(session) } else { timeout_ms(rebalance) }
}
