//! From the first join of a generation to its last.

use std::collections::BTreeMap;

use super::{AfterPersist, Collecting, Effect, Group, GroupState, InitialDelay};
use crate::error::Error;
use crate::options::Options;

impl Group {
    /// Begins to collect members, unless that goes on already.
    pub(crate) fn prepare_rebalance(&mut self, now: u64, options: &Options, effects: &mut Vec<Effect>) {
        match self.state {
            GroupState::PreparingRebalance | GroupState::Dead => return,
            GroupState::CompletingRebalance => self.refuse_syncs(&Error::RebalanceInProgress, effects),
            GroupState::Empty | GroupState::Stable => {}
        }
        let was_empty = self.state == GroupState::Empty;
        self.sync_deadline = None;
        self.unsynced.clear();
        self.state = GroupState::PreparingRebalance;
        let timeout = self.rebalance_timeout();
        let initial = (was_empty && options.initial_rebalance_delay_ms > 0).then(|| {
            let step_ms = options.initial_rebalance_delay_ms;
            InitialDelay { step_ms, remaining_ms: timeout.saturating_sub(step_ms), member_added: false }
        });
        let wait = initial.as_ref().map_or(timeout, |delay| delay.step_ms);
        self.collecting = Some(Collecting { deadline: now.saturating_add(wait), initial });
        self.try_complete_join(now, effects);
    }

    /// The longest that any member wants the others to wait.
    fn rebalance_timeout(&self) -> u64 {
        self.members.values().map(|m| m.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Ends the collecting if everybody is here. An initial delay is sat out.
    pub(crate) fn try_complete_join(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let sitting_out = self.collecting.as_ref().is_none_or(|c| c.initial.is_some());
        let everybody = self.pending.is_empty() && self.members.values().all(|m| m.joining.is_some());
        if self.state != GroupState::PreparingRebalance || !everybody {
            return;
        }
        if !sitting_out || self.members.is_empty() {
            self.complete_join(now, effects);
        }
    }

    /// The time to collect members is up.
    pub(crate) fn on_join_deadline(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let Some(collecting) = self.collecting.as_mut() else {
            return;
        };
        if let Some(initial) = collecting.initial.as_mut()
            && initial.member_added
            && initial.remaining_ms > 0
        {
            let step = initial.step_ms.min(initial.remaining_ms);
            initial.remaining_ms -= step;
            initial.member_added = false;
            collecting.deadline = now.saturating_add(step);
            return;
        }
        self.complete_join(now, effects);
    }

    fn complete_join(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let late: Vec<String> = self
            .members
            .values()
            .filter(|m| m.joining.is_none() && m.instance_id.is_none())
            .map(|m| m.id.clone())
            .collect();
        for member_id in late {
            self.remove_member(&member_id, effects);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left and none of them is here: their sessions decide.
            let deadline = now.saturating_add(self.rebalance_timeout().max(1));
            self.collecting = Some(Collecting { deadline, initial: None });
            return;
        }
        self.collecting = None;
        self.generation = self.generation.saturating_add(1);
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            self.protocol = None;
            self.leader = None;
            self.persist(AfterPersist::Nothing, None, effects);
            return;
        }
        self.state = GroupState::CompletingRebalance;
        self.protocol = self.select_protocol();
        self.answer_joins(now, effects);
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_deadline = Some(now.saturating_add(self.rebalance_timeout()));
    }

    /// Makes sure that a member that is here leads.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(|m| m.joining.is_some()) {
            return true;
        }
        match self.members.values().find(|m| m.joining.is_some()) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    fn answer_joins(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let joined = self.joined(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else {
                continue;
            };
            if let Some(ticket) = member.joining.take() {
                effects.push(Effect::Join(ticket, Ok(joined)));
                member.session_deadline = now.saturating_add(member.session_timeout_ms);
            }
            member.is_new = false;
        }
    }

    /// The protocol that all support and most prefer. With no members, none.
    pub(crate) fn select_protocol(&self) -> Option<String> {
        let first = self.members.values().next()?;
        let candidates: Vec<&str> = first
            .protocols
            .iter()
            .map(|p| p.name.as_str())
            .filter(|name| self.members.values().all(|m| m.protocols.iter().any(|p| p.name == *name)))
            .collect();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(choice) = member.vote(&candidates) {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        candidates.into_iter().find(|name| votes.get(name) == Some(&most)).map(str::to_owned)
    }
}
