//! Settings of a broker that change while it runs.

use tidemill_broker::{ConfigSource, ErrorKind, NewTopic};
use tidemill_records::Compression;

use crate::node::{Node, build};

async fn alter(node: &Node, of: Option<i32>, changes: &[(&str, Option<&str>)]) {
    try_alter(node, of, changes, false).await.unwrap();
}

async fn try_alter(
    node: &Node,
    of: Option<i32>,
    changes: &[(&str, Option<&str>)],
    validate_only: bool,
) -> Result<(), tidemill_broker::Error> {
    let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
    node.broker.alter_broker_configs(of, changes.collect(), validate_only).await
}

fn retention(node: &Node, topic: &str) -> i64 {
    node.broker.topic(topic).unwrap().config.retention_ms
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topics_defaults_change_at_once_and_for_good() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let own = NewTopic::named("own").with_config("retention.ms", "5");
    node.broker.create_topic(own).await.unwrap();
    alter(&node, None, &[("log.retention.ms", Some("60000"))]).await;
    assert_eq!((retention(&node, "t"), retention(&node, "own")), (60_000, 5));
    alter(&node, Some(1), &[("log.retention.ms", Some("70000"))]).await;
    assert_eq!(retention(&node, "t"), 70_000, "this broker's own setting is stronger");
    let node = node.restart().await;
    assert_eq!((retention(&node, "t"), retention(&node, "own")), (70_000, 5));
    let described = node.broker.describe_topic_configs(&node.broker.topic("own").unwrap());
    let entry = described.iter().find(|entry| entry.name == "retention.ms").unwrap();
    assert_eq!((entry.value.as_str(), entry.source), ("5", ConfigSource::Topic));
    let synonyms: Vec<_> =
        entry.synonyms.iter().map(|s| (s.name.as_str(), s.value.as_str(), s.source)).collect();
    let expected = [
        ("retention.ms", "5", ConfigSource::Topic),
        ("log.retention.ms", "70000", ConfigSource::DynamicBroker),
        ("log.retention.ms", "60000", ConfigSource::DynamicDefaultBroker),
        ("log.retention.ms", "-1", ConfigSource::StaticBroker),
        ("log.retention.ms", "604800000", ConfigSource::Default),
    ];
    assert_eq!(synonyms, expected);
    let defaults = node.broker.describe_broker_defaults();
    assert_eq!(defaults.len(), 1);
    assert_eq!((defaults[0].name.as_str(), defaults[0].value.as_str()), ("log.retention.ms", "60000"));
    alter(&node, Some(1), &[("log.retention.ms", None)]).await;
    assert_eq!(retention(&node, "t"), 60_000);
    alter(&node, None, &[("log.retention.ms", None)]).await;
    assert_eq!(retention(&node, "t"), -1, "what it was started with");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_does_by_itself_can_be_switched() {
    let node = Node::start().await;
    alter(&node, None, &[("num.partitions", Some("3")), ("delete.topic.enable", Some("false"))]).await;
    assert_eq!(node.broker.topic_or_create("three").await.unwrap().partition_count(), 3);
    let refused = node.broker.delete_topic(&"three".into()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TopicDeletionDisabled);
    alter(&node, None, &[("auto.create.topics.enable", Some("false")), ("delete.topic.enable", None)]).await;
    let refused = node.broker.topic_or_create("four").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::UnknownTopicOrPartition);
    node.broker.delete_topic(&"three".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_set_is_refused_with_the_reason() {
    let node = Node::start().await;
    for (name, value, reason) in [
        ("log.retention.m", "1", "did you mean log.retention.ms?"),
        ("log.retention.ms", "soon", "64-bit integer"),
        ("num.partitions", "0", "from 1 to"),
        ("data.dir", "/elsewhere", "while the broker runs"),
        ("log.cleaner.threads", "2", "compaction is not built"),
        ("ssl.keystore.location", "/x", "not built yet"),
        ("leader.replication.throttled.rate", "much", "not a number"),
    ] {
        let error = try_alter(&node, Some(1), &[(name, Some(value))], false).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(error.message.contains(reason), "{error}");
    }
    try_alter(&node, Some(1), &[("num.partitions", Some("9"))], true).await.unwrap();
    assert_eq!(node.broker.config().num_partitions, 1, "only validated");
    let all = node.broker.describe_broker_configs();
    let read_only = |name: &str| all.iter().find(|entry| entry.name == name).unwrap().read_only;
    assert!(read_only("data.dir") && !read_only("log.retention.ms") && !read_only("max.connections"));
    alter(&node, None, &[("leader.replication.throttled.rate", Some("1000"))]).await;
    alter(&node, None, &[("leader.replication.throttled.rate", None), ("never.heard.of", None)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_producers_are_remembered_changes_at_once_and_for_good() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let who = node.broker.init_producer_id().await.unwrap();
    let records = build(1_700_000_000_000, &["a"], Compression::None, who.producer_id, 0);
    node.produce("t", 0, records).await.unwrap();
    let known = |node: &Node| node.broker.describe_producers(&"t".into(), 0).unwrap().len();
    node.clock.advance(3_600_000);
    assert_eq!(known(&node), 1);
    alter(&node, None, &[("producer.id.expiration.ms", Some("60000"))]).await;
    assert_eq!(known(&node), 0);
    alter(&node, Some(1), &[("producer.id.expiration.ms", Some("86400000"))]).await;
    assert_eq!(known(&node), 1, "this broker's own setting is stronger");
    alter(&node, Some(1), &[("producer.id.expiration.ms", None)]).await;
    let node = node.restart().await;
    assert_eq!(known(&node), 0);
}
