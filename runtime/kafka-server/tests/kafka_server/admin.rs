//! Administration over the wire: configs, directories, reassignments, what groups answer.

use crate::client::{Client, alter_request, name, start, text};
use kafka_protocol::messages::*;
use tidemill_kafka_server::Options;
use tokio::io::AsyncReadExt;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

async fn alter(
    client: &mut Client,
    kind: i8,
    resource: &str,
    changes: &[(&str, Option<&str>)],
) -> (i16, String) {
    let request = alter_request(kind, resource, changes);
    let response = client.call(&request, 1).await.responses.remove(0);
    (response.error_code, response.error_message.map(|m| m.to_string()).unwrap_or_default())
}

async fn describe(
    client: &mut Client,
    kind: i8,
    resource: &str,
) -> Vec<describe_configs_response::DescribeConfigsResourceResult> {
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let result = client.call(&request, 4).await.results.remove(0);
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    result.configs
}

#[tokio::test]
async fn broker_configs_are_altered_described_and_stand_behind_topics() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    assert_eq!(alter(&mut client, BROKER, "", &[("log.retention.ms", Some("60000"))]).await.0, 0);
    assert_eq!(alter(&mut client, BROKER, "1", &[("log.retention.ms", Some("70000"))]).await.0, 0);
    let configs = describe(&mut client, TOPIC, "t").await;
    let entry = configs.iter().find(|config| &*config.name == "retention.ms").unwrap();
    assert_eq!((entry.value.as_deref(), entry.config_source, entry.config_type), (Some("70000"), 2, 5));
    let sources: Vec<_> = entry.synonyms.iter().map(|synonym| synonym.source).collect();
    assert_eq!(sources, [2, 3, 5]);
    assert!(entry.documentation.as_deref().unwrap().contains("How long records are kept"));
    let all = describe(&mut client, BROKER, "1").await;
    let find = |name: &str| all.iter().find(|config| &*config.name == name).unwrap();
    assert!(find("data.dir").read_only && !find("log.retention.ms").read_only);
    assert_eq!(describe(&mut client, BROKER, "").await.len(), 1, "only what was set on all brokers");
    for (kind, resource, change, code, reason) in [
        (BROKER, "1", ("data.dir", "/x"), 42, "while the broker runs"),
        (BROKER, "1", ("log.cleaner.enable", "true"), 42, "compaction"),
        (BROKER, "7", ("num.partitions", "2"), 42, "no broker"),
        (TOPIC, "nowhere", ("retention.ms", "1"), 3, "does not exist"),
        (TOPIC, "t", ("remote.storage.enable", "true"), 40, "every topic is archived"),
        (GROUP, "g", ("consumer.session.timeout.ms", "9000"), 40, "not built"),
        (GROUP, "g", ("no.such.config", "9000"), 40, "Unknown group config name"),
        (GROUP, "", ("consumer.session.timeout.ms", "9000"), 42, "no name"),
        (8, "1", ("kafka", "DEBUG"), 42, "TIDEMILL_LOG"),
    ] {
        let (found, message) = alter(&mut client, kind, resource, &[(change.0, Some(change.1))]).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(reason), "{message}");
    }
    let of_group = describe(&mut client, GROUP, "g").await;
    let timeout = of_group.iter().find(|config| &*config.name == "consumer.session.timeout.ms").unwrap();
    assert_eq!((timeout.value.as_deref(), timeout.config_source, timeout.config_type), (Some("45000"), 5, 3));
    assert_eq!(&*timeout.synonyms[0].name, "group.consumer.session.timeout.ms");
    assert_eq!(alter(&mut client, GROUP, "g", &[("consumer.session.timeout.ms", None)]).await.0, 0);
    let both = [("log.retention.ms", None), ("num.partitions", Some("4"))];
    assert_eq!(alter(&mut client, BROKER, "1", &both).await.0, 0);
    assert_eq!(client.create("four").await.topics[0].partitions.len(), 4);
}

#[tokio::test]
async fn replacing_all_configs_resets_those_that_are_not_named() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    for (kind, resource, first, second) in
        [(TOPIC, "t", "retention.ms", "segment.ms"), (BROKER, "1", "log.retention.ms", "log.roll.ms")]
    {
        assert_eq!(alter(&mut client, kind, resource, &[(first, Some("60000"))]).await.0, 0);
        let config = alter_configs_request::AlterableConfig::default();
        let config = config.with_name(text(second)).with_value(Some(text("70000")));
        let asked = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![asked.clone()]);
        assert_eq!(client.call(&request, 2).await.responses[0].error_code, 0);
        let configs = describe(&mut client, kind, resource).await;
        let value = |name: &str| configs.iter().find(|c| &*c.name == name).unwrap().value.clone().unwrap();
        assert_eq!((&*value(first), &*value(second)), ("604800000", "70000"));
        let twice = AlterConfigsRequest::default().with_resources(vec![asked.clone(), asked]);
        let codes: Vec<_> = client.call(&twice, 2).await.responses.iter().map(|r| r.error_code).collect();
        assert_eq!(codes, [42, 42]);
    }
}

#[tokio::test]
async fn the_bound_on_connections_can_be_changed() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    assert_eq!(alter(&mut client, BROKER, "", &[("max.connections", Some("1"))]).await.0, 0);
    let mut refused = false;
    for _ in 0..100 {
        let mut other = running.connect().await;
        let wait = std::time::Duration::from_millis(50);
        let read = tokio::time::timeout(wait, other.stream.read(&mut [0; 1])).await;
        refused = read.is_ok_and(|read| read.unwrap_or(0) == 0);
        if refused {
            break;
        }
    }
    assert!(refused);
    assert_eq!(alter(&mut client, BROKER, "", &[("max.connections", None)]).await.0, 0);
    for _ in 0..100 {
        let mut other = running.connect().await;
        let request = crate::client::frame(&ApiVersionsRequest::default(), 0, 1);
        if tokio::io::AsyncWriteExt::write_all(&mut other.stream, &request).await.is_ok()
            && other.receive_frame().await.is_some()
        {
            return;
        }
    }
    panic!("the old bound still holds");
}

#[tokio::test]
async fn directories_elections_and_reassignments_as_one_broker_answers_them() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    client.produce("t", &["hot"]).await;
    let dirs = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4).await.results;
    let size = |dir: usize| dirs[dir].topics[0].partitions[0].partition_size;
    assert!(dirs[0].log_dir.ends_with("journals") && dirs[0].usable_bytes > 0);
    assert!(size(0) > 0 && size(1) == 0);
    running.broker.seal("t", true).await.unwrap();
    let dirs = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4).await.results;
    assert!(dirs[1].log_dir.starts_with("file://"));
    assert!(dirs[1].topics[0].partitions[0].partition_size > 0);

    let topic = elect_leaders_request::TopicPartitions::default().with_topic(name("t"));
    let elect = ElectLeadersRequest::default();
    let some = elect.clone().with_topic_partitions(Some(vec![topic.with_partitions(vec![0, 5])]));
    let results = client.call(&some, 2).await.replica_election_results;
    let codes: Vec<_> = results[0].partition_result.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [84, 3]);
    assert!(client.call(&elect.with_topic_partitions(None), 2).await.replica_election_results.is_empty());

    let partition = |index, replicas: Option<Vec<i32>>| {
        alter_partition_reassignments_request::ReassignablePartition::default()
            .with_partition_index(index)
            .with_replicas(replicas.map(|ids| ids.into_iter().map(BrokerId).collect()))
    };
    let partitions = vec![
        partition(0, Some(vec![1])),
        partition(0, Some(vec![1, 2])),
        partition(0, None),
        partition(3, Some(vec![1])),
    ];
    let topic = alter_partition_reassignments_request::ReassignableTopic::default().with_name(name("t"));
    let request =
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic.with_partitions(partitions)]);
    let response = client.call(&request, 1).await;
    let codes: Vec<_> = response.responses[0].partitions.iter().map(|result| result.error_code).collect();
    assert_eq!((response.error_code, codes), (0, vec![0, 39, 85, 3]));
    let list = ListPartitionReassignmentsRequest::default().with_topics(None);
    assert!(client.call(&list, 0).await.topics.is_empty());
}

#[tokio::test]
async fn resources_with_configs_are_listed() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    let ask = |types: Vec<i8>| ListConfigResourcesRequest::default().with_resource_types(types);
    let listed = client.call(&ask(vec![]), 1).await.config_resources;
    let listed: Vec<_> = listed.iter().map(|r| (r.resource_type, r.resource_name.to_string())).collect();
    assert_eq!(listed, [(2, "t".into()), (4, "1".into()), (8, "1".into())]);
    assert_eq!(client.call(&ask(vec![2]), 1).await.config_resources.len(), 1);
    assert_eq!(client.call(&ask(vec![3]), 1).await.error_code, 35);
    assert!(client.call(&ask(vec![]), 0).await.config_resources.is_empty());
}

#[tokio::test]
async fn leaving_a_group_that_does_not_exist_is_answered_per_member() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let member = |instance: Option<&str>| {
        leave_group_request::MemberIdentity::default()
            .with_member_id(text("m"))
            .with_group_instance_id(instance.map(text))
    };
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("nobody")));
    let several = leave.clone().with_members(vec![member(None), member(Some("i"))]);
    let response = client.call(&several, 5).await;
    let codes: Vec<_> = response.members.iter().map(|member| member.error_code).collect();
    assert_eq!((response.error_code, codes), (0, vec![25, 25]));
    assert_eq!(client.call(&leave.with_member_id(text("m")), 2).await.error_code, 25);
}

#[tokio::test]
async fn from_version_5_on_a_sync_names_its_protocol() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let sync = SyncGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(text("m"));
    assert_eq!(client.call(&sync, 5).await.error_code, 23);
    assert_eq!(client.call(&sync, 4).await.error_code, 25);
    let named = sync.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    assert_eq!(client.call(&named, 5).await.error_code, 25);
}
