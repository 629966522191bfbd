//! Sealing, and reading what was sealed.

use std::time::Duration;

use tidemill_broker::NewTopic;
use tidemill_records::Compression;

use crate::node::{Node, Seen, batch, build, small};

async fn fill(node: &Node, topic: &str, partitions: i32, rounds: usize) {
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for partition in 0..partitions {
        let id = node.broker.init_producer_id().await.unwrap();
        for round in 0..rounds {
            let values: Vec<String> = (0..5).map(|n| format!("äöü {partition} {round} {n}")).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let codec = codecs[round % codecs.len()];
            let records =
                build(1_700_000_000_000 + round as i64, &values, codec, id.producer_id, 5 * round as i32);
            node.produce(topic, partition, records).await.unwrap();
        }
    }
}

async fn everything(node: &Node, topic: &str, partitions: i32) -> Vec<Vec<Seen>> {
    let mut all = Vec::new();
    for partition in 0..partitions {
        all.push(node.read_all(topic, partition, 0).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_records_equal_hot_ones_and_the_log_is_not_read() {
    let node = Node::start().await;
    node.create("t", 3).await;
    fill(&node, "t", 3, 40).await;
    let hot = everything(&node, "t", 3).await;
    assert_eq!(hot[2].len(), 200);
    node.broker.seal("t", true).await.unwrap();
    let status = node.broker.archive_status(Some("t")).unwrap();
    assert!(status[0].partitions.iter().all(|p| p.archived_end == 200 && p.objects.len() == 1), "{status:?}");
    assert_eq!(everything(&node, "t", 3).await, hot);
    let report = node.broker.verify("t").await.unwrap();
    assert_eq!((report.objects, report.records, report.problems.len()), (3, 600, 0), "{report:?}");

    let node = node.restart().await;
    assert_eq!(everything(&node, "t", 3).await, hot);
    assert_eq!(node.read_all("t", 1, 77).await, hot[1][77..]);
    assert_eq!(node.metric(r#"tidemill_fetch_bytes_total{topic="t",source="hot"}"#), 0);
    assert!(node.metric(r#"tidemill_fetch_bytes_total{topic="t",source="archive"}"#) > 0);

    node.produce("t", 1, batch(&["after"])).await.unwrap();
    let seen = node.read_all("t", 1, 0).await;
    assert_eq!(seen[..200], hot[1][..]);
    assert_eq!(seen[200].value.as_deref(), Some(b"after".as_slice()));
    assert!(node.metric(r#"tidemill_fetch_bytes_total{topic="t",source="hot"}"#) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_changes_nothing() {
    let node = Node::start().await;
    node.create("t", 3).await;
    fill(&node, "t", 3, 20).await;
    node.broker.seal("t", true).await.unwrap();
    fill(&node, "t", 3, 3).await;
    node.broker.delete_records(&"t".into(), 2, 7).await.unwrap();
    let watermarks =
        |node: &Node| (0..3).map(|p| node.broker.watermarks(&"t".into(), p).unwrap()).collect::<Vec<_>>();
    let (before, marks) = (node.read_all("t", 0, 0).await, watermarks(&node));
    let cluster = node.broker.cluster_id();
    let topic = node.broker.topic("t").unwrap();
    let node = node.restart().await;
    assert_eq!(watermarks(&node), marks);
    assert_eq!(node.broker.cluster_id(), cluster);
    assert_eq!(node.broker.topic("t").unwrap().id, topic.id);
    assert_eq!(node.broker.topic("t").unwrap().partitions, topic.partitions);
    assert_eq!(node.read_all("t", 0, 0).await, before);
    assert_eq!(node.read_all("t", 2, 7).await.len(), 115 - 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_and_age_seal_by_themselves() {
    let node = Node::start().await;
    let by_size = NewTopic::named("size").with_config("segment.bytes", "20000");
    let by_age = NewTopic::named("age")
        .with_config("tidemill.archive.max.lag.ms", "300")
        .with_config("tidemill.archive.min.bytes", "0");
    let by_segment_age = NewTopic::named("segment")
        .with_config("segment.ms", "300")
        .with_config("tidemill.archive.min.bytes", "0");
    for topic in [by_size, by_age, by_segment_age, NewTopic::named("neither")] {
        node.broker.create_topic(topic).await.unwrap();
    }
    let value = "v".repeat(1000);
    for _ in 0..30 {
        for topic in ["size", "age", "segment", "neither"] {
            node.produce(topic, 0, batch(&[value.as_str()])).await.unwrap();
        }
    }
    let archived = |topic: &str| node.broker.watermarks(&topic.into(), 0).unwrap().archived_end;
    for _ in 0..100 {
        if archived("size") > 0 && archived("age") == 30 && archived("segment") == 30 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(archived("size") >= 18, "{}", archived("size"));
    assert_eq!((archived("age"), archived("segment"), archived("neither")), (30, 30, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_fails_is_tried_again_and_shown() {
    let node = Node::start().await;
    node.create("t", 1).await;
    node.produce("t", 0, batch(&["a"])).await.unwrap();
    // A file where the topics' folder has to be.
    let topics = node.data_dir().join("objects").join("topics");
    std::fs::write(&topics, "in the way").unwrap();
    let error = node.broker.seal("t", true).await.unwrap_err();
    assert!(error.message.contains("archive"), "{error}");
    let readiness = node.broker.readiness();
    assert!(readiness.is_ready() && readiness.warnings.len() == 1, "{readiness:?}");
    assert_eq!(node.metric("tidemill_archive_failing"), 1);
    assert_eq!(node.read_all("t", 0, 0).await.len(), 1);
    std::fs::remove_file(&topics).unwrap();
    for _ in 0..100 {
        if node.broker.watermarks(&"t".into(), 0).unwrap().archived_end == 1 {
            break;
        }
        // Whoever asks again does not wait for the backoff.
        node.broker.seal("t", false).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    node.broker.seal("t", true).await.unwrap();
    assert_eq!(node.broker.readiness().warnings, Vec::<String>::new());
    assert_eq!(node.broker.verify("t").await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_clusters_bucket_is_refused() {
    let first = Node::start().await;
    let url = first.broker.config().object_store_url();
    let dir = tempfile::tempdir().unwrap();
    let mut config = tidemill_broker::BrokerConfig {
        data_dir: dir.path().to_owned(),
        object_store: Some(url),
        ..tidemill_broker::BrokerConfig::default()
    };
    small(&mut config);
    let refused =
        crate::node::open(config, std::sync::Arc::new(tidemill_disk::RealDisk), first.clock.clone()).await;
    assert!(refused.unwrap_err().message.contains("claimed by cluster"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verification_finds_damage() {
    let node = Node::start().await;
    node.create("t", 1).await;
    fill(&node, "t", 1, 10).await;
    node.broker.seal("t", true).await.unwrap();
    let status = node.broker.archive_status(Some("t")).unwrap();
    let path = node.data_dir().join("objects").join(&status[0].partitions[0].objects[0].path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let report = node.broker.verify("t").await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
}
