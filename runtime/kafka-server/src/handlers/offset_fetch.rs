//! OffsetFetch: of one group before version 8, of several after.

use std::collections::{BTreeMap, HashMap, HashSet};

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use tidemill_groups::{CommittedOffset, Error, OffsetKey};

use super::{text, topic_name};
use crate::codes;
use crate::service::Call;

/// Names of topics with partitions, and what was committed of each.
type Found = Vec<(TopicName, Vec<(i32, Committed)>)>;

/// What was committed of a partition.
enum Committed {
    /// This, if anything.
    Stable(Option<CommittedOffset>),
    /// A transaction is open that may commit something else, and the client wants to wait for that.
    Unstable,
}

pub(crate) async fn handle(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version() < 8 {
        return single(call, request).await;
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    // A group that is named a thousand times is answered once.
    let mut seen = HashSet::new();
    for group in request.groups {
        if seen.insert(group.group_id.clone()) {
            groups.push(one_of_several(call, group, request.require_stable).await);
        }
    }
    OffsetFetchResponse::default().with_groups(groups)
}

async fn single(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let asked =
        request.topics.map(|topics| topics.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
    let found = match find(call, &request.group_id, asked, request.require_stable).await {
        Ok(found) => found,
        Err(error) => {
            // Version 1 has no error for the whole, only for partitions; it has none of those here.
            let code = if call.version() >= 2 { codes::of_group(&error) } else { codes::NONE };
            return OffsetFetchResponse::default().with_error_code(code);
        }
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, committed)| {
            let (code, offset, epoch, metadata) = parts(committed);
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(if call.version() >= 5 { epoch } else { -1 })
                .with_metadata(Some(text(metadata)))
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

async fn one_of_several(
    call: &Call<'_>,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let asked =
        group.topics.map(|topics| topics.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
    let found = find(call, &group.group_id, asked, require_stable).await;
    let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id);
    let found = match found {
        Ok(found) => found,
        Err(error) => return response.with_error_code(codes::of_group(&error)),
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, committed)| {
            let (code, offset, epoch, metadata) = parts(committed);
            OffsetFetchResponsePartitions::default()
                .with_partition_index(index)
                .with_error_code(code)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(Some(text(metadata)))
        });
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
    });
    response.with_topics(topics.collect())
}

fn parts(committed: Committed) -> (i16, i64, i32, String) {
    match committed {
        Committed::Stable(Some(c)) => (codes::NONE, c.offset, c.leader_epoch, c.metadata),
        Committed::Stable(None) => (codes::NONE, -1, -1, String::new()),
        Committed::Unstable => (codes::UNSTABLE_OFFSET_COMMIT, -1, -1, String::new()),
    }
}

async fn find(
    call: &Call<'_>,
    group_id: &str,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
    require_stable: bool,
) -> Result<Found, Error> {
    match asked {
        Some(asked) => find_some(call, group_id, asked, require_stable).await,
        None => find_all(call, group_id, require_stable).await,
    }
}

async fn find_some(
    call: &Call<'_>,
    group_id: &str,
    asked: Vec<(TopicName, Vec<i32>)>,
    require_stable: bool,
) -> Result<Found, Error> {
    let ids: Vec<_> = asked.iter().map(|(name, _)| call.broker().topic(name).map(|topic| topic.id)).collect();
    let keys = asked.iter().zip(&ids).filter_map(|((_, partitions), id)| Some((partitions, (*id)?)));
    let keys = keys.flat_map(|(partitions, topic_id)| {
        partitions.iter().map(move |&partition| OffsetKey { topic_id, partition })
    });
    let keys: Vec<OffsetKey> = keys.collect();
    // Before the offsets are read: what is committed in between is seen then.
    let unstable = unstable(call, group_id, Some(&keys), require_stable);
    let committed = call.groups().fetch_offsets(group_id, Some(keys)).await?;
    let mut committed: HashMap<OffsetKey, CommittedOffset> =
        committed.into_iter().map(|c| (c.key, c)).collect();
    let found = asked.into_iter().zip(ids).map(|((name, partitions), id)| {
        let mut take = |partition| {
            let key = id.map(|topic_id| OffsetKey { topic_id, partition });
            match key {
                Some(key) if unstable.contains(&key) => Committed::Unstable,
                key => Committed::Stable(key.and_then(|key| committed.remove(&key))),
            }
        };
        (name, partitions.into_iter().map(|partition| (partition, take(partition))).collect())
    });
    Ok(found.collect())
}

async fn find_all(call: &Call<'_>, group_id: &str, require_stable: bool) -> Result<Found, Error> {
    let mut by_topic: BTreeMap<String, BTreeMap<i32, Committed>> = BTreeMap::new();
    let unstable = unstable(call, group_id, None, require_stable);
    let stable = call.groups().fetch_offsets(group_id, None).await?;
    let stable = stable.into_iter().map(|committed| (committed.key, Committed::Stable(Some(committed))));
    let unstable = unstable.into_iter().map(|key| (key, Committed::Unstable));
    for (key, committed) in stable.chain(unstable) {
        // Offsets of a topic that was deleted are nobody's.
        if let Some(topic) = call.broker().topic_by_id(key.topic_id) {
            by_topic.entry(topic.name.clone()).or_default().insert(key.partition, committed);
        }
    }
    let named =
        by_topic.into_iter().map(|(name, partitions)| (topic_name(&name), partitions.into_iter().collect()));
    Ok(named.collect())
}

fn unstable(
    call: &Call<'_>,
    group_id: &str,
    keys: Option<&[OffsetKey]>,
    require_stable: bool,
) -> HashSet<OffsetKey> {
    if !require_stable {
        return HashSet::new();
    }
    call.broker().unstable_offsets(group_id, keys).into_iter().collect()
}
