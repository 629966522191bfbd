//! DescribeLogDirs: how much of each partition is on the local disk, and how much in the bucket, as
//! two directories of this broker.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use tidemill_broker::{PartitionSize, Topic};

use super::{text, topic_name};
use crate::service::Call;

/// Kafka's word for a size that is not known.
const UNKNOWN_BYTES: i64 = -1;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let mut sizes: Vec<(String, Vec<PartitionSize>)> = Vec::new();
    let all = |topic: &Topic| (topic.name.clone(), call.broker().partition_sizes(topic));
    match request.topics {
        None => sizes.extend(call.broker().topics().iter().map(|topic| all(topic))),
        Some(asked) => {
            let mut wanted: BTreeMap<String, Vec<i32>> = BTreeMap::new();
            for topic in asked {
                wanted.entry(topic.topic.to_string()).or_default().extend(topic.partitions);
            }
            for (name, partitions) in wanted {
                if let Some(topic) = call.broker().topic(&name) {
                    let (name, mut found) = all(&topic);
                    found.retain(|size| partitions.contains(&size.partition));
                    sizes.push((name, found));
                }
            }
        }
    }
    let dirs = call.broker().log_dirs();
    let usable = dirs.usable_bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let hot = dir(call, dirs.data_dir, usable, &sizes, |size| size.hot_bytes);
    let archive = dir(call, dirs.object_store, None, &sizes, |size| size.archived_bytes);
    DescribeLogDirsResponse::default().with_results(vec![hot, archive])
}

fn dir(
    call: &Call<'_>,
    name: String,
    usable_bytes: Option<i64>,
    sizes: &[(String, Vec<PartitionSize>)],
    bytes: impl Fn(&PartitionSize) -> u64,
) -> DescribeLogDirsResult {
    let topics = sizes.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|size| {
            DescribeLogDirsPartition::default()
                .with_partition_index(size.partition)
                .with_partition_size(i64::try_from(bytes(size)).unwrap_or(i64::MAX))
        });
        DescribeLogDirsTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect())
    });
    let result = DescribeLogDirsResult::default().with_log_dir(text(name)).with_topics(topics.collect());
    if call.version() < 4 {
        return result;
    }
    result.with_total_bytes(UNKNOWN_BYTES).with_usable_bytes(usable_bytes.unwrap_or(UNKNOWN_BYTES))
}
