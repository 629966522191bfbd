//! What clients do, over a real connection to a real broker.

use std::time::{Duration, Instant};

use crate::client::{fetch_request, name, produce_request, start, start_in, values};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use tidemill_kafka_server::Options;

#[tokio::test]
async fn what_is_produced_is_fetched_also_after_a_restart() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let created = client.create("t").await;
    assert_eq!((created.topics[0].error_code, created.topics[0].partitions.len()), (0, 1));
    let produced = client.produce("t", &["a", "b"]).await;
    let partition = &produced.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (0, 0));
    let produced = client.produce("t", &["c"]).await;
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 2);
    assert_eq!(client.fetch_values("t", 0).await, ["a", "b", "c"]);
    let running = start_in(running.stop().await, Options::default()).await;
    let mut client = running.connect().await;
    assert_eq!(client.fetch_values("t", 2).await, ["c"]);
}

#[tokio::test]
async fn pipelined_produces_keep_their_order_and_later_requests_see_them() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(client.send(&produce_request("t", &[&n.to_string()], -1), 9).await);
    }
    let fetch = client.send(&fetch_request("t", 0, 0), 12).await;
    for (offset, id) in (0..).zip(ids) {
        let response = client.receive::<ProduceRequest>(id, 9).await;
        assert_eq!(response.responses[0].partition_responses[0].base_offset, offset);
    }
    let fetched = client.receive::<FetchRequest>(fetch, 12).await;
    assert_eq!(values(&fetched), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn acks_0_is_silent_and_an_error_closes_the_connection() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    client.send(&produce_request("t", &["x"], 0), 9).await;
    assert_eq!(client.fetch_values("t", 0).await, ["x"]);
    client.send(&produce_request("no-such-topic", &["x"], 0), 9).await;
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_its_partition() {
    let running = start(Options::default()).await;
    let (mut reader, mut writer) = (running.connect().await, running.connect().await);
    writer.create("t").await;
    writer.create("other").await;
    let began = Instant::now();
    let id = reader.send(&fetch_request("t", 0, 20_000), 12).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    writer.produce("other", &["not this"]).await;
    writer.produce("t", &["this"]).await;
    let response = reader.receive::<FetchRequest>(id, 12).await;
    assert_eq!(values(&response), ["this"]);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_group_of_one_joins_syncs_commits_and_is_described() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let text = StrBytes::from_static_str;
    let group = GroupId(text("g"));
    let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let first = client.call(&join, 9).await;
    assert_eq!(first.error_code, 79, "a member id is required");
    let joined = client.call(&join.with_member_id(first.member_id.clone()), 9).await;
    assert_eq!((joined.error_code, joined.generation_id, &joined.leader), (0, 1, &first.member_id));
    let share = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(first.member_id.clone())
        .with_assignment(bytes::Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(1)
        .with_member_id(first.member_id.clone())
        .with_assignments(vec![share]);
    let synced = client.call(&sync, 4).await;
    assert_eq!((synced.error_code, synced.assignment.as_ref()), (0, b"all".as_ref()));
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_offset(7)
        .with_committed_metadata(Some(text("note")));
    let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(name("t"));
    let commit = OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(1)
        .with_member_id(first.member_id.clone())
        .with_topics(vec![topic.with_partitions(vec![partition])]);
    assert_eq!(client.call(&commit, 8).await.topics[0].partitions[0].error_code, 0);
    let wanted = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group.clone());
    let fetch = OffsetFetchRequest::default().with_groups(vec![wanted.with_topics(None)]);
    let found = client.call(&fetch, 8).await;
    let found = &found.groups[0].topics[0].partitions[0];
    assert_eq!((found.committed_offset, found.metadata.as_deref()), (7, Some("note")));
    let described = client.call(&DescribeGroupsRequest::default().with_groups(vec![group]), 5).await;
    assert_eq!(&*described.groups[0].group_state, "Stable");
    assert_eq!(described.groups[0].members[0].member_assignment.as_ref(), b"all");
}

#[tokio::test]
async fn what_is_asked_a_thousand_times_is_answered_once() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name("t")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic; 1000]));
    assert_eq!(client.call(&request, 12).await.topics.len(), 1);
    let group = GroupId(StrBytes::from_static_str("g"));
    let request = DescribeGroupsRequest::default().with_groups(vec![group; 1000]);
    assert_eq!(client.call(&request, 5).await.groups.len(), 1);
}

#[tokio::test]
async fn configs_are_altered_and_described() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let text = StrBytes::from_static_str;
    let alter = |name, operation, value| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(name)
            .with_config_operation(operation)
            .with_value(value);
        let resource = incremental_alter_configs_request::AlterConfigsResource::default();
        let resource =
            resource.with_resource_type(2).with_resource_name(text("t")).with_configs(vec![config]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    };
    let mut codes = Vec::new();
    for request in [
        alter(text("retention.ms"), 0, Some(text("5000"))),
        alter(text("retention.ms"), 0, Some(text("soon"))),
        alter(text("retention.ms"), 2, Some(text("1"))),
        alter(text("no.such.config"), 0, Some(text("1"))),
        alter(text("cleanup.policy"), 2, Some(text("delete"))),
    ] {
        codes.push(client.call(&request, 1).await.responses[0].error_code);
    }
    assert_eq!(codes, [0, 40, 40, 40, 0]);
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configuration_keys(Some(vec![text("retention.ms")]));
    let describe = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let described = client.call(&describe, 4).await;
    let configs = &described.results[0].configs;
    assert_eq!((configs.len(), configs[0].value.as_deref(), configs[0].config_source), (1, Some("5000"), 1));
}
