//! Committed offsets that nobody needs any more, as Kafka's `offsets.retention.minutes` has it: those
//! of a group without members go when the group has been empty and they have been untouched for that
//! long; a live consumer group loses those of topics it no longer subscribes to. Offsets of topics
//! that were deleted go at once. An offset whose client said for how long to keep it (OffsetCommit 2 to
//! 4) goes when that time is over instead. A group that has neither members nor offsets is forgotten.

use std::sync::Arc;
use std::time::Duration;

use tidemill_groups::Expirable;
use tidemill_journal::Journal;
use tidemill_state::{Command, ExpireOffsets, GroupState, Outcome, PartitionId, Rejection};

use crate::broker::Broker;
use crate::error::Error;
use crate::journals::rejected;

/// Looks at all groups every now and then, until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    loop {
        let interval_ms = broker.config().offsets_retention_check_interval_ms;
        let interval = Duration::from_millis(u64::try_from(interval_ms).unwrap_or(0).max(1));
        tokio::select! {
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        for group in broker.groups().list() {
            if broker.stopping.is_cancelled() {
                return;
            }
            if let Err(error) = look_at(&broker, &group.group_id).await {
                tracing::warn!(group = group.group_id, %error, "old offsets could not be removed");
            }
        }
    }
}

async fn look_at(broker: &Broker, group_id: &str) -> Result<(), Error> {
    let expirable = broker.groups().expirable_offsets(group_id);
    if expirable == Expirable::Nothing {
        return Ok(());
    }
    let placed = broker.journals.metadata().state(|state| state.metadata().group_journal(group_id));
    let Some(journal) = placed.and_then(|id| broker.journals.data(id).ok()) else {
        return Ok(());
    };
    let minutes = i64::from(broker.config().offsets_retention_minutes);
    let now_ms = broker.clock.now_ms();
    let before_ms = now_ms.saturating_sub(minutes.saturating_mul(60_000));
    let standing = |id: &PartitionId| match (broker.registry.by_id(&id.topic_id), &expirable) {
        (None, _) => Standing::Deleted,
        (Some(topic), Expirable::Except(used)) if used.binary_search(&topic.name).is_ok() => Standing::InUse,
        _ => Standing::Unused,
    };
    let has_members = expirable != Expirable::All;
    let found = journal.state(|state| {
        let group = state.group(group_id)?;
        let doomed = doomed(group, has_members, now_ms, before_ms, standing);
        let is_bare = !has_members && doomed.len() == group.offsets().len();
        Some((doomed, is_bare && group.snapshot_at_ms() <= before_ms))
    });
    let Some((doomed, is_over)) = found else { return Ok(()) };
    if !doomed.is_empty() {
        tracing::info!(group = group_id, offsets = doomed.len(), "committed offsets expired");
        expire(journal, group_id, doomed).await?;
    }
    if is_over {
        // Members or offsets that came in between keep it.
        if let Err(error) = broker.groups().retire(group_id).await {
            tracing::debug!(group = group_id, %error, "the group stays");
        }
    }
    Ok(())
}

/// What an offset's topic is to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Deleted,
    InUse,
    Unused,
}

/// The offsets that are too old, and when each was committed.
fn doomed(
    group: &GroupState,
    has_members: bool,
    now_ms: i64,
    before_ms: i64,
    standing: impl Fn(&PartitionId) -> Standing,
) -> Vec<(PartitionId, i64)> {
    let empty_since_ms = if has_members { i64::MIN } else { group.snapshot_at_ms() };
    let old = group.offsets().iter().filter(|(id, offset)| match standing(id) {
        Standing::Deleted => true,
        Standing::InUse => false,
        Standing::Unused => match group.expires_at_ms(id) {
            Some(at_ms) => at_ms <= now_ms,
            None => offset.committed_at_ms.max(empty_since_ms) <= before_ms,
        },
    });
    old.map(|(id, offset)| (*id, offset.committed_at_ms)).collect()
}

async fn expire(journal: &Journal, group_id: &str, offsets: Vec<(PartitionId, i64)>) -> Result<(), Error> {
    let command = ExpireOffsets { group_id: group_id.to_owned(), offsets };
    match journal.propose(Command::ExpireOffsets(command)).await? {
        Outcome::Rejected(Rejection::NotFound(_)) => Ok(()),
        Outcome::Rejected(rejection) => Err(rejected(&rejection)),
        _ => Ok(()),
    }
}
