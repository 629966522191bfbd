//! Where a group stands.

use anyhow::Context;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tidemill_client::Connection;

use crate::transaction::check;

const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// A group's position in a partition; none while a transaction is open that may change it, and -1 if
/// nothing was ever committed.
///
/// # Errors
/// If the broker does not answer.
pub async fn position(
    connection: &Connection,
    group: &str,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Option<i64>> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_indexes(vec![partition]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_member_epoch(-1)
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    let answer = connection.call(&request, 9).await?;
    let group = answer.groups.first().context("no group in the answer")?;
    check(group.error_code, "position")?;
    let part = group.topics.first().and_then(|topic| topic.partitions.first()).context("no partition")?;
    if part.error_code == UNSTABLE_OFFSET_COMMIT {
        return Ok(None);
    }
    check(part.error_code, "position")?;
    Ok(Some(part.committed_offset))
}
