//! Every version of every API that is advertised is answered, with a response that decodes.

use crate::client::{Client, fetch_request, name, produce_request, start};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Request, StrBytes};
use tidemill_kafka_server::{APIS, Options};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// Asks in every served version. The request is made for each, as versions differ in their fields.
async fn ask<R: Request>(client: &mut Client, request: impl Fn(i16) -> R) -> usize {
    let api = APIS.iter().find(|api| api.key as i16 == R::KEY).unwrap();
    for version in api.min..=api.max {
        client.call(&request(version), version).await;
    }
    1
}

#[tokio::test]
async fn every_version_of_every_api_is_answered() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let metadata = client.create("t").await;
    let topic_id = metadata.topics[0].topic_id;
    let mut asked = records(&mut client, topic_id).await;
    asked += groups(&mut client).await;
    asked += configs(&mut client).await;
    asked += admin(&mut client).await;
    asked += cluster(&mut client).await;
    asked += transactions(&mut client).await;
    asked += transactions_described(&mut client).await;
    assert_eq!(asked, APIS.len());
}

async fn records(client: &mut Client, topic_id: uuid::Uuid) -> usize {
    let mut asked = ask(client, |version| {
        let mut request = produce_request("t", &["a", "b"], 1);
        if version >= 13 {
            request.topic_data[0].name = TopicName::default();
            request.topic_data[0].topic_id = topic_id;
        }
        request
    })
    .await;
    asked += ask(client, |version| {
        let mut request = fetch_request("t", 0, 100);
        if version >= 13 {
            request.topics[0].topic = TopicName::default();
            request.topics[0].topic_id = topic_id;
        }
        request
    })
    .await;
    asked += ask(client, |_| {
        let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
        let topic = list_offsets_request::ListOffsetsTopic::default().with_name(name("t"));
        ListOffsetsRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked += ask(client, |_| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(name("t"));
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked += ask(client, |_| InitProducerIdRequest::default().with_transactional_id(None)).await;
    asked += ask(client, |_| {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(1);
        let topic = delete_records_request::DeleteRecordsTopic::default().with_name(name("t"));
        DeleteRecordsRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked
}

async fn groups(client: &mut Client) -> usize {
    let group = GroupId(text("g"));
    let mut asked = ask(client, |version| {
        let request = FindCoordinatorRequest::default();
        if version < 4 { request.with_key(text("g")) } else { request.with_coordinator_keys(vec![text("g")]) }
    })
    .await;
    asked += ask(client, |version| {
        let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        JoinGroupRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(format!("join-{version}"))))
            .with_session_timeout_ms(6_000)
            .with_rebalance_timeout_ms(if version >= 1 { 1 } else { -1 })
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    })
    .await;
    asked += ask(client, |_| SyncGroupRequest::default().with_group_id(group.clone())).await;
    asked += ask(client, |_| HeartbeatRequest::default().with_group_id(group.clone())).await;
    asked += ask(client, |version| {
        let request = LeaveGroupRequest::default().with_group_id(group.clone());
        let member = leave_group_request::MemberIdentity::default().with_member_id(text("m"));
        if version < 3 { request.with_member_id(text("m")) } else { request.with_members(vec![member]) }
    })
    .await;
    asked += ask(client, |_| {
        let partition =
            offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(1);
        let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(name("t"));
        OffsetCommitRequest::default()
            .with_group_id(group.clone())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked += ask(client, |version| {
        let request = OffsetFetchRequest::default();
        if version < 8 {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(name("t"));
            return request
                .with_group_id(group.clone())
                .with_topics(Some(vec![topic.with_partition_indexes(vec![0, 9])]));
        }
        let one = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group.clone());
        request.with_groups(vec![one.with_topics(None)])
    })
    .await;
    asked += ask(client, |_| {
        let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
        let topic = offset_delete_request::OffsetDeleteRequestTopic::default().with_name(name("t"));
        let topics = vec![topic.with_partitions(vec![partition])];
        OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(topics)
    })
    .await;
    let both = || vec![group.clone(), GroupId(text("nobody"))];
    asked += ask(client, |_| DescribeGroupsRequest::default().with_groups(both())).await;
    asked += ask(client, |_| ListGroupsRequest::default()).await;
    asked += ask(client, |_| DeleteGroupsRequest::default().with_groups_names(both())).await;
    asked
}

async fn configs(client: &mut Client) -> usize {
    let mut asked = ask(client, |version| {
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(StrBytes::from_string(format!("{}", 1_000_000 + i32::from(version)))));
        let resource = alter_configs_request::AlterConfigsResource::default().with_resource_type(2);
        let resource = resource.with_resource_name(text("t")).with_configs(vec![config]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    asked += ask(client, |_| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text("cleanup.policy"))
            .with_config_operation(2)
            .with_value(Some(text("delete")));
        let resource = incremental_alter_configs_request::AlterConfigsResource::default();
        let resource =
            resource.with_resource_type(2).with_resource_name(text("t")).with_configs(vec![config]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    asked += ask(client, |version| {
        let resource = |kind: i8, name| {
            let resource = describe_configs_request::DescribeConfigsResource::default();
            resource.with_resource_type(kind).with_resource_name(name).with_configuration_keys(None)
        };
        let resources = vec![resource(2, text("t")), resource(4, text("1")), resource(8, text("x"))];
        let request = DescribeConfigsRequest::default().with_resources(resources).with_include_synonyms(true);
        request.with_include_documentation(version >= 3)
    })
    .await;
    asked
}

async fn admin(client: &mut Client) -> usize {
    let mut asked = ask(client, |version| {
        let request = ApiVersionsRequest::default();
        if version < 3 {
            return request;
        }
        request.with_client_software_name(text("test")).with_client_software_version(text("1"))
    })
    .await;
    asked += ask(client, |version| {
        let topic = |name| metadata_request::MetadataRequestTopic::default().with_name(Some(name));
        let topics = vec![topic(name("t")), topic(name("bad/name"))];
        let request = MetadataRequest::default().with_topics(Some(topics));
        request.with_allow_auto_topic_creation(true).with_include_topic_authorized_operations(version >= 8)
    })
    .await;
    asked += ask(client, |version| {
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(name(&format!("created-{version}")))
            .with_num_partitions(if version >= 4 { -1 } else { 2 })
            .with_replication_factor(1);
        let bad = create_topics_request::CreatableTopic::default()
            .with_name(name("three-copies"))
            .with_num_partitions(1)
            .with_replication_factor(3);
        CreateTopicsRequest::default().with_topics(vec![topic, bad])
    })
    .await;
    asked += ask(client, |_| {
        let topic = create_partitions_request::CreatePartitionsTopic::default().with_name(name("t"));
        CreatePartitionsRequest::default().with_topics(vec![topic.with_count(2).with_assignments(None)])
    })
    .await;
    asked += ask(client, |_| DescribeClusterRequest::default()).await;
    asked +=
        ask(client, |_| DescribeTopicPartitionsRequest::default().with_response_partition_limit(2)).await;
    asked += ask(client, |version| {
        let request = DeleteTopicsRequest::default();
        if version < 6 {
            return request.with_topic_names(vec![name(&format!("created-{version}")), name("nobody")]);
        }
        let topic = |name| delete_topics_request::DeleteTopicState::default().with_name(Some(name));
        request.with_topics(vec![topic(name("created-6")), topic(name("nobody"))])
    })
    .await;
    asked
}

async fn cluster(client: &mut Client) -> usize {
    let mut asked = ask(client, |_| {
        let topic = describe_log_dirs_request::DescribableLogDirTopic::default().with_topic(name("t"));
        DescribeLogDirsRequest::default().with_topics(Some(vec![topic.with_partitions(vec![0, 9])]))
    })
    .await;
    asked += ask(client, |_| {
        let topic = elect_leaders_request::TopicPartitions::default().with_topic(name("t"));
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic.with_partitions(vec![0, 9])]))
    })
    .await;
    asked += ask(client, |_| {
        let partition = |replicas| {
            alter_partition_reassignments_request::ReassignablePartition::default().with_replicas(replicas)
        };
        let partitions = vec![partition(None), partition(Some(vec![BrokerId(7)]))];
        let topic = alter_partition_reassignments_request::ReassignableTopic::default().with_name(name("t"));
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic.with_partitions(partitions)])
    })
    .await;
    asked += ask(client, |_| ListPartitionReassignmentsRequest::default().with_topics(None)).await;
    asked += ask(client, |_| {
        let entity = alter_client_quotas_request::EntityData::default().with_entity_type(text("user"));
        let op = alter_client_quotas_request::OpData::default().with_key(text("producer_byte_rate"));
        let entry = alter_client_quotas_request::EntryData::default().with_entity(vec![entity]);
        let entry = entry.with_ops(vec![op.with_value(1e12)]);
        AlterClientQuotasRequest::default().with_entries(vec![entry])
    })
    .await;
    asked += ask(client, |_| {
        let component = describe_client_quotas_request::ComponentData::default()
            .with_entity_type(text("user"))
            .with_match_type(1)
            .with_match(None);
        DescribeClientQuotasRequest::default().with_components(vec![component])
    })
    .await;
    asked += ask(client, |_| {
        let partition = describe_quorum_request::PartitionData::default();
        let topic = describe_quorum_request::TopicData::default().with_topic_name(name("__cluster_metadata"));
        DescribeQuorumRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked += ask(client, |version| {
        let update = update_features_request::FeatureUpdateKey::default()
            .with_feature(text("transaction.version"))
            .with_max_version_level(2);
        let update = if version == 0 { update } else { update.with_upgrade_type(1) };
        UpdateFeaturesRequest::default().with_feature_updates(vec![update])
    })
    .await;
    asked += ask(client, |_| GetTelemetrySubscriptionsRequest::default()).await;
    asked += ask(client, |_| PushTelemetryRequest::default()).await;
    asked += ask(client, |version| {
        let types = if version >= 1 { vec![2, 4] } else { Vec::new() };
        ListConfigResourcesRequest::default().with_resource_types(types)
    })
    .await;
    asked += ask(client, |_| {
        let user = describe_user_scram_credentials_request::UserName::default().with_name(text("u"));
        DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user]))
    })
    .await;
    asked
}

async fn transactions(client: &mut Client) -> usize {
    let id = || TransactionalId(text("nobody"));
    let mut asked = ask(client, |version| {
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![0, 9]);
        let request = AddPartitionsToTxnRequest::default();
        if version < 4 {
            return request.with_v3_and_below_transactional_id(id()).with_v3_and_below_topics(vec![topic]);
        }
        let one = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default();
        let one = one.with_transactional_id(id()).with_topics(vec![topic]);
        request.with_transactions(vec![one.clone(), one.with_verify_only(true)])
    })
    .await;
    asked += ask(client, |_| {
        AddOffsetsToTxnRequest::default().with_transactional_id(id()).with_group_id(GroupId(text("g")))
    })
    .await;
    asked += ask(client, |_| EndTxnRequest::default().with_transactional_id(id())).await;
    asked += ask(client, |_| {
        let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
            .with_name(name("t"))
            .with_partition_indexes(vec![0, 9]);
        let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![topic]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    })
    .await;
    asked += ask(client, |_| {
        let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default();
        let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default().with_name(name("t"));
        TxnOffsetCommitRequest::default()
            .with_transactional_id(id())
            .with_group_id(GroupId(text("g2")))
            .with_generation_id(-1)
            .with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    asked
}

async fn transactions_described(client: &mut Client) -> usize {
    let mut asked = ask(client, |_| {
        let topic = describe_producers_request::TopicRequest::default();
        let topic = topic.with_name(name("t")).with_partition_indexes(vec![0, 9]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    })
    .await;
    asked += ask(client, |_| {
        let ids = vec![TransactionalId(text("nobody"))];
        DescribeTransactionsRequest::default().with_transactional_ids(ids)
    })
    .await;
    asked += ask(client, |version| {
        let request = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing"), text("x")]);
        let request = request.with_duration_filter(if version >= 1 { 5 } else { -1 });
        request.with_transactional_id_pattern((version >= 2).then(|| text("no.*")))
    })
    .await;
    asked
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    use tokio::io::AsyncWriteExt;
    // Version 99, correlation id 5, client id "x", no tags, and a body that nobody can know.
    let frame = [0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 5, 0, 1, b'x', 0, 7];
    client.stream.write_all(&frame).await.unwrap();
    let mut bytes = client.receive_frame().await.unwrap();
    assert_eq!(bytes::Buf::get_i32(&mut bytes), 5);
    let response = ApiVersionsResponse::decode(&mut bytes, 0).unwrap();
    assert_eq!(response.error_code, 35);
    let produce = response.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));
}
