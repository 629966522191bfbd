//! Rows that changed since the last checkpoint, serialised under the state's lock so that they can
//! be written outside of it.

use crate::Error;
use crate::state::State;

/// New values of rows, or none where a row is gone, by encoded key.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// In no order: sorting is left to whoever no longer holds the lock.
    rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// These are all rows: whatever else the store has must go.
    pub(super) replaces_all: bool,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && !self.replaces_all
    }

    /// Bytes of keys and values.
    pub fn size_bytes(&self) -> usize {
        self.rows.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    /// Adds later changes, for a checkpoint that could not be written and is tried again.
    pub fn absorb(&mut self, later: Self) {
        if later.replaces_all {
            *self = later;
        } else {
            self.rows.extend(later.rows);
            self.rows.sort_by(|a, b| a.0.cmp(&b.0));
            // Of equal keys the first one stays in place: give it the later value.
            self.rows.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    earlier.1 = later.1.take();
                }
                same
            });
        }
    }

    /// The rows by key, as a store likes to take them.
    pub(super) fn sorted(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }
}

impl State {
    /// Whether anything changed since the last [`State::take_changes`].
    pub fn has_changes(&self) -> bool {
        self.dirty.all || !self.dirty.rows.is_empty()
    }

    /// Rows changed since the last call, about. Cheap; for those who decide when to checkpoint.
    pub fn changed_rows(&self) -> usize {
        self.dirty.rows.len()
    }

    /// What changed since the last call. If the checkpoint then fails, keep the changes and let
    /// them [`absorb`](Changes::absorb) the next ones.
    pub fn take_changes(&mut self) -> Result<Changes, Error> {
        let mut changes = Changes { replaces_all: self.dirty.all, ..Changes::default() };
        if self.dirty.all {
            self.visit_rows(|row| {
                if let Some(value) = self.row(&row)? {
                    changes.rows.push((row.encode(), Some(value)));
                }
                Ok(())
            })?;
        } else {
            changes.rows.reserve_exact(self.dirty.rows.len());
            for row in &self.dirty.rows {
                changes.rows.push((row.encode(), self.row(row)?));
            }
        }
        self.dirty = crate::state::Dirty::default();
        Ok(changes)
    }
}
