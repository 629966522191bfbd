//! Which group is due when: one ordered set for all groups of a coordinator.

use std::collections::{BTreeSet, HashMap};

/// At most one deadline per group. A group whose deadline moves later keeps the earlier one: it is
/// looked at in vain once, and in exchange heartbeats do not touch this at all.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(u64, String)>,
    by_group: HashMap<String, u64>,
}

impl Deadlines {
    /// Sets or drops a group's deadline. True if the earliest of all is now earlier.
    pub(crate) fn arm(&mut self, group_id: &str, deadline: Option<u64>) -> bool {
        let armed = self.by_group.get(group_id).copied();
        let Some(deadline) = deadline else {
            self.disarm(group_id);
            return false;
        };
        if armed.is_some_and(|armed| armed <= deadline) {
            return false;
        }
        self.disarm(group_id);
        let before = self.earliest();
        self.by_group.insert(group_id.to_owned(), deadline);
        self.by_time.insert((deadline, group_id.to_owned()));
        before.is_none_or(|before| deadline < before)
    }

    fn disarm(&mut self, group_id: &str) {
        if let Some((id, at)) = self.by_group.remove_entry(group_id) {
            self.by_time.remove(&(at, id));
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the groups that are due.
    pub(crate) fn due(&mut self, now: u64) -> Vec<String> {
        let mut due = Vec::new();
        while self.earliest().is_some_and(|at| at <= now)
            && let Some((_, group_id)) = self.by_time.pop_first()
        {
            self.by_group.remove(&group_id);
            due.push(group_id);
        }
        due
    }
}
