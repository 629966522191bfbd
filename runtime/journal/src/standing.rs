//! How far a journal has come.

/// Term and ends of a journal's log. An index is none as long as there is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The Raft term.
    pub term: u64,
    /// The last entry.
    pub last_index: Option<u64>,
    /// The last entry that is applied.
    pub applied_index: Option<u64>,
}
