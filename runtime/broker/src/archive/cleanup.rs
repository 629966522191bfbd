//! Deleting objects: those that went out of reach, after a grace time, and those nobody committed.
//!
//! What is to be deleted is kept in memory only. A crash forgets it; the search through the bucket
//! finds it again, for it deletes whatever no manifest knows and is old enough to be nobody's work
//! in progress.

use std::collections::HashSet;

use uuid::Uuid;

use crate::broker::Broker;

/// Deletes objects that are out of every reader's reach.
pub(super) async fn delete(broker: &Broker, paths: Vec<String>) {
    for path in paths {
        if broker.stopping.is_cancelled() {
            return;
        }
        match broker.bucket.delete(&path).await {
            Ok(()) => {
                broker.metrics.objects_deleted.inc();
            }
            // The search finds it again.
            Err(error) => tracing::warn!(path, %error, "an object could not be deleted"),
        }
    }
}

/// Looks through the whole bucket for objects that no manifest knows.
pub(super) async fn search(broker: &Broker) {
    let topics = match broker.bucket.topics().await {
        Ok(topics) => topics,
        Err(error) => {
            tracing::warn!(%error, "the search for uncommitted objects failed");
            return;
        }
    };
    for (topic, topic_id) in topics {
        if broker.stopping.is_cancelled() {
            return;
        }
        let (grace_ms, now_ms) = (broker.config.archive_gc_grace_ms, broker.clock.now_ms());
        let live = live_paths(broker, topic_id);
        match broker.bucket.collect_garbage(&topic, topic_id, &live, grace_ms, now_ms).await {
            Ok(0) => {}
            Ok(deleted) => {
                broker.metrics.objects_deleted.inc_by(deleted);
                tracing::info!(topic, deleted, "objects that nobody committed were deleted");
            }
            Err(error) => tracing::warn!(topic, %error, "the search for uncommitted objects failed"),
        }
    }
}

/// Every path in the manifests of a topic. An object committed after this was taken is younger than
/// the grace time.
fn live_paths(broker: &Broker, topic_id: Uuid) -> HashSet<String> {
    let mut live = HashSet::new();
    let first = tidemill_state::PartitionId { topic_id, partition: 0 };
    let last = tidemill_state::PartitionId { topic_id, partition: i32::MAX };
    for (_, journal) in broker.journals.all_data() {
        journal.state(|state| {
            let partitions = state.partitions().range(first..=last);
            let objects = partitions.flat_map(|(_, partition)| partition.objects().values());
            live.extend(objects.map(|object| object.path.clone()));
        });
    }
    live
}
