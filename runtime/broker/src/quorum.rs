//! Who keeps the metadata, for those who ask in Kafka's words.

use crate::broker::Broker;

/// How the metadata journal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataQuorum {
    /// The node that leads it, or -1.
    pub leader: i32,
    /// Its Raft term.
    pub epoch: i32,
    /// After the last entry that is applied.
    pub high_watermark: i64,
    /// After the last entry.
    pub log_end: i64,
    /// What time it is.
    pub now_ms: i64,
}

impl Broker {
    /// How the metadata journal stands.
    #[must_use]
    pub fn metadata_quorum(&self) -> MetadataQuorum {
        let journal = self.journals.metadata();
        let standing = journal.standing();
        let after = |index: Option<u64>| {
            index.map_or(0, |index| i64::try_from(index.saturating_add(1)).unwrap_or(i64::MAX))
        };
        MetadataQuorum {
            leader: journal.leader().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1),
            epoch: i32::try_from(standing.term).unwrap_or(i32::MAX),
            high_watermark: after(standing.applied_index),
            log_end: after(standing.last_index),
            now_ms: self.clock.now_ms(),
        }
    }
}
