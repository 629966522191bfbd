//! Topics come and go.

use std::time::Instant;

use tidemill_broker::{ConfigSource, ErrorKind, NewTopic};

use crate::node::{Node, batch, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_creation() {
    let node = Node::start().await;
    node.create("t", 2).await;
    let refused = |new: NewTopic| {
        let broker = node.broker.clone();
        async move { broker.create_topic(new).await.unwrap_err().kind }
    };
    assert_eq!(refused(NewTopic::named("t")).await, ErrorKind::TopicAlreadyExists);
    assert_eq!(refused(NewTopic::named("a b")).await, ErrorKind::InvalidTopic);
    assert_eq!(refused(NewTopic::named("u").with_partitions(0)).await, ErrorKind::InvalidPartitions);
    let squeezed = NewTopic::named("u").with_config("cleanup.policy", "squeeze");
    assert_eq!(refused(squeezed).await, ErrorKind::InvalidConfig);
    let trial = NewTopic { validate_only: true, ..NewTopic::named("u") };
    assert_eq!(node.broker.create_topic(trial).await.unwrap().partition_count(), 1);
    assert!(node.broker.topic("u").is_none());
    let made = node.broker.topic_or_create("u").await.unwrap();
    assert_eq!(node.broker.topic_or_create("u").await.unwrap().id, made.id);
    let mut twice = node.broker.create_topics(vec![NewTopic::named("w"), NewTopic::named("w")]).await;
    twice.sort_by_key(|result| result.is_err());
    assert_eq!(twice.remove(1).unwrap_err().kind, ErrorKind::TopicAlreadyExists);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_at_the_same_time_gets_the_same_topic() {
    let node = Node::start().await;
    let asked = (0..20).map(|_| {
        let broker = node.broker.clone();
        tokio::spawn(async move { broker.topic_or_create("t").await.unwrap().id })
    });
    let mut ids = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        ids.push(asked.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    node.produce("t", 0, batch(&["x"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_deleted_and_created_again_is_empty() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["old"])).await.unwrap();
    node.broker.seal("t", true).await.unwrap();
    let old = node.broker.topic("t").unwrap();
    let object = node.broker.archive_status(Some("t")).unwrap()[0].partitions[0].objects[0].path.clone();
    node.broker.delete_topic(&old.id.into()).await.unwrap();
    assert_eq!(
        node.broker.delete_topic(&"t".into()).await.unwrap_err().kind,
        ErrorKind::UnknownTopicOrPartition
    );
    node.create("t", 1).await;
    assert_ne!(node.broker.topic("t").unwrap().id, old.id);
    assert!(node.read_all("t", 0, 0).await.is_empty());
    let path = node.data_dir().join("objects").join(object);
    for _ in 0..100 {
        if !path.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!path.exists(), "its objects are deleted");
    let node = node.restart().await;
    assert!(node.read_all("t", 0, 0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_partitions_and_other_configs() {
    let node = Node::start().await;
    node.create("t", 2).await;
    node.produce("t", 1, batch(&["kept"])).await.unwrap();
    assert_eq!(
        node.broker.create_partitions("t", 2, false).await.unwrap_err().kind,
        ErrorKind::InvalidPartitions
    );
    assert_eq!(node.broker.create_partitions("t", 5, false).await.unwrap().partition_count(), 5);
    node.produce("t", 4, batch(&["new"])).await.unwrap();
    let change = vec![("retention.ms".to_owned(), Some("1000".to_owned()))];
    let altered = node.broker.alter_topic_configs("t", change, false).await.unwrap();
    assert_eq!(altered.config.retention_ms, 1000);
    let entries = node.broker.describe_topic_configs(&altered);
    let entry = entries.iter().find(|entry| entry.name == "retention.ms").unwrap();
    assert_eq!((entry.value.as_str(), entry.source), ("1000", ConfigSource::Topic));
    let wrong = vec![("retention.ms".to_owned(), Some("never".to_owned()))];
    assert!(node.broker.alter_topic_configs("t", wrong, false).await.is_err());
    let node = node.restart().await;
    let topic = node.broker.topic("t").unwrap();
    assert_eq!((topic.partition_count(), topic.config.retention_ms), (5, 1000));
    assert_eq!(node.read_all("t", 1, 0).await.len(), 1);
    let reset = vec![("retention.ms".to_owned(), None)];
    assert!(node.broker.alter_topic_configs("t", reset, false).await.unwrap().own_configs.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_placement_group_shares_journals() {
    let node = Node::with(|config| {
        small(config);
        config.journals = 3;
    })
    .await;
    node.create("in", 6).await;
    let node = node.restart_with(|config| config.journals = 2).await;
    let out = NewTopic::named("out").with_partitions(6).with_config("tidemill.placement.group", "in");
    let out = node.broker.create_topic(out).await.unwrap();
    assert_eq!(out.partitions, node.broker.topic("in").unwrap().partitions);
    node.produce("out", 5, batch(&["x"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_partitions() {
    let node = Node::start().await;
    let started = Instant::now();
    let topics = (0..100).map(|n| NewTopic::named(format!("topic-{n}")).with_partitions(100)).collect();
    for result in node.broker.create_topics(topics).await {
        result.unwrap();
    }
    let created = started.elapsed();
    node.produce("topic-99", 99, batch(&["x"])).await.unwrap();
    let started = Instant::now();
    let node = node.restart().await;
    let restarted = started.elapsed();
    assert_eq!(node.metric("tidemill_partitions"), 10_000);
    assert_eq!(node.read_all("topic-99", 99, 0).await.len(), 1);
    // Generous: the machine may be busy. What is checked is that nothing is quadratic.
    assert!(created.as_secs() < 20 && restarted.as_secs() < 20, "{created:?} {restarted:?}");
}
