//! Staying, leaving, expiring.

use super::{Effect, Group, GroupState};
use crate::error::Error;
use crate::options::Options;
use crate::requests::{HeartbeatRequest, LeavingMember, LeftMember};

impl Group {
    /// Heartbeat.
    pub fn heartbeat(&mut self, now: u64, request: &HeartbeatRequest) -> Result<(), Error> {
        match self.state {
            GroupState::Dead => return Err(Error::NotAvailable("the group was deleted".into())),
            GroupState::Empty => return Err(Error::UnknownMemberId),
            _ => {}
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(Error::IllegalGeneration);
        }
        self.touch(now, &request.member_id);
        match self.state {
            GroupState::PreparingRebalance => Err(Error::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// LeaveGroup, for any number of members.
    pub fn leave(
        &mut self,
        now: u64,
        members: Vec<LeavingMember>,
        options: &Options,
    ) -> (Vec<LeftMember>, Vec<Effect>) {
        let mut effects = Vec::new();
        let left = members
            .into_iter()
            .map(|member| {
                let result = self.leave_one(now, &member, options, &mut effects);
                LeftMember { member, result }
            })
            .collect();
        (left, effects)
    }

    fn leave_one(
        &mut self,
        now: u64,
        leaving: &LeavingMember,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        if self.state == GroupState::Dead {
            return Err(Error::NotAvailable("the group was deleted".into()));
        }
        if self.pending.remove(&leaving.member_id).is_some() {
            self.try_complete_join(now, effects);
            return Ok(());
        }
        let member_id = match (&leaving.instance_id, leaving.member_id.is_empty()) {
            (Some(instance), true) => self.statics.get(instance).cloned().ok_or(Error::UnknownMemberId)?,
            _ => leaving.member_id.clone(),
        };
        self.check_member(&member_id, leaving.instance_id.as_deref())?;
        self.remove_and_rebalance(now, &member_id, options, effects);
        Ok(())
    }

    /// Time has passed: whatever was due happens.
    pub fn on_time(&mut self, now: u64, options: &Options) -> Vec<Effect> {
        let mut effects = Vec::new();
        let pending = self.pending.len();
        self.pending.retain(|_, lapse| *lapse > now);
        if self.pending.len() < pending {
            self.try_complete_join(now, &mut effects);
        }
        let expired: Vec<String> = self
            .members
            .values()
            .filter(|m| m.expires_at().is_some_and(|at| at <= now))
            .map(|m| m.id.clone())
            .collect();
        for member_id in expired {
            // An earlier removal may have ended a rebalance and given this one a new session.
            let due = self.members.get(&member_id).and_then(|m| m.expires_at()).is_some_and(|at| at <= now);
            if due {
                self.remove_and_rebalance(now, &member_id, options, &mut effects);
            }
        }
        if self.collecting.as_ref().is_some_and(|c| c.deadline <= now) {
            self.on_join_deadline(now, &mut effects);
        }
        if self.sync_deadline.is_some_and(|at| at <= now) {
            self.on_sync_deadline(now, options, &mut effects);
        }
        effects
    }

    /// Members that joined and never asked for their assignment are out.
    fn on_sync_deadline(&mut self, now: u64, options: &Options, effects: &mut Vec<Effect>) {
        self.sync_deadline = None;
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let silent = std::mem::take(&mut self.unsynced);
        for member_id in &silent {
            self.remove_member(member_id, effects);
        }
        if !silent.is_empty() {
            self.prepare_rebalance(now, options, effects);
        }
    }

    fn remove_and_rebalance(
        &mut self,
        now: u64,
        member_id: &str,
        options: &Options,
        effects: &mut Vec<Effect>,
    ) {
        self.remove_member(member_id, effects);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(now, options, effects);
            }
            GroupState::PreparingRebalance => self.try_complete_join(now, effects),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// Takes a member out; whatever it waited for is answered.
    pub(crate) fn remove_member(&mut self, member_id: &str, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.remove(member_id) else {
            return;
        };
        if let Some(ticket) = member.joining {
            effects.push(Effect::Join(ticket, Err(Error::UnknownMemberId)));
        }
        if let Some(ticket) = member.syncing {
            effects.push(Effect::Sync(ticket, Err(Error::UnknownMemberId)));
        }
        if let Some(instance) = &member.instance_id
            && self.statics.get(instance).is_some_and(|current| current == member_id)
        {
            self.statics.remove(instance);
        }
        self.unsynced.remove(member_id);
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }
}
