//! Who wants to know what was applied.

use tidemill_state::{Effect, PartitionId};

/// Told of every applied entry, in order, from the journal's apply task: must not block, and must
/// not call back into the journal other than through a channel.
///
/// While a journal is being opened, entries after the last checkpoint are applied again; nobody is
/// told of those, because a reader that starts afterwards sees their effect in the state.
pub trait Listener: Send + Sync + 'static {
    /// A partition has grown up to `high_watermark`, and readers may have what lies below.
    fn advanced(&self, partition: PartitionId, high_watermark: i64);
    /// What an applied command did; appended batches too, before [`Listener::advanced`].
    fn effect(&self, effect: &Effect);
    /// The state was replaced by the leader's as a whole: whatever was derived from it is stale.
    fn replaced(&self) {}
}
