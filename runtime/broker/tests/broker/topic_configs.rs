//! What a topic's settings do.

use tidemill_broker::{ErrorKind, NewTopic, ProducePartition, ProduceRequest};
use tidemill_disk::Clock;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};

use crate::node::{Node, batch_at, large, small};

async fn create(node: &Node, name: &str, configs: &[(&str, &str)]) {
    let mut topic = NewTopic::named(name).with_partitions(1);
    for (name, value) in configs {
        topic = topic.with_config(*name, *value);
    }
    node.broker.create_topic(topic).await.unwrap();
}

async fn refused(node: &Node, topic: &str, records: impl Into<bytes::Bytes>) -> ErrorKind {
    node.produce(topic, 0, records).await.unwrap_err().kind
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_replicas_in_sync_than_there_are_is_refused_for_acks_all_only() {
    let node = Node::start().await;
    create(&node, "t", &[("min.insync.replicas", "2")]).await;
    let now = node.clock.now_ms();
    assert_eq!(refused(&node, "t", batch_at(now, &["a"])).await, ErrorKind::NotEnoughReplicas);
    let part = ProducePartition { topic: "t".into(), partition: 0, records: batch_at(now, &["a"]) };
    let request = ProduceRequest { acks: 1, partitions: vec![part] };
    node.broker.submit_produce(request).await.wait().await.remove(0).result.unwrap();
    assert_eq!(node.read_all("t", 0, 0).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timestamps_and_sizes_have_limits() {
    let node = Node::start().await;
    let limits = [("message.timestamp.before.max.ms", "1000"), ("message.timestamp.after.max.ms", "1000")];
    create(&node, "t", &limits).await;
    let now = node.clock.now_ms();
    assert_eq!(refused(&node, "t", batch_at(now - 60_000, &["a"])).await, ErrorKind::InvalidTimestamp);
    assert_eq!(refused(&node, "t", batch_at(now + 60_000, &["a"])).await, ErrorKind::InvalidTimestamp);
    node.produce("t", 0, batch_at(now, &["a"])).await.unwrap();
    create(&node, "s", &[("max.message.bytes", "1000")]).await;
    assert_eq!(refused(&node, "s", large(2000, 1)).await, ErrorKind::MessageTooLarge);
    let changes = vec![("max.message.bytes".to_owned(), Some("5000".to_owned()))];
    node.broker.alter_topic_configs("s", changes, false).await.unwrap();
    node.produce("s", 0, large(2000, 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_compresses_anew_at_the_level_that_is_set() {
    let node = Node::start().await;
    let words: Vec<String> =
        (0..4000u32).map(|n| format!("{} {}", n.wrapping_mul(2_654_435_761) % 97, n % 13)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut sizes = Vec::new();
    for (codec, low, high) in [("gzip", "1", "9"), ("zstd", "-50", "19")] {
        for level in [low, high] {
            let topic = format!("{codec}{level}");
            let setting = format!("compression.{codec}.level");
            create(&node, &topic, &[("compression.type", codec), (&setting, level)]).await;
            node.produce(&topic, 0, batch_at(node.clock.now_ms(), &words)).await.unwrap();
            let fetched = crate::node::fetch_one(&node.broker, &topic, 0, 0).await;
            assert_eq!(fetched.batches[0].compression().name(), codec);
            assert_eq!(node.read_all(&topic, 0, 0).await.len(), 4000);
            sizes.push(fetched.batches[0].size_bytes());
        }
    }
    assert!(sizes[0] > sizes[1] && sizes[2] > sizes[3], "{sizes:?}");
    create(&node, "plain", &[("compression.type", "uncompressed")]).await;
    let gzip = crate::node::build(node.clock.now_ms(), &["a"], Compression::Gzip, -1, -1);
    node.produce("plain", 0, gzip).await.unwrap();
    let fetched = crate::node::fetch_one(&node.broker, "plain", 0, 0).await;
    assert_eq!(fetched.batches[0].compression(), Compression::None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_wants_keys_and_keeps_everything() {
    let node = Node::with(|config| {
        small(config);
        config.log_retention_check_interval_ms = 20;
    })
    .await;
    let configs = [("cleanup.policy", "compact"), ("retention.ms", "1000")];
    create(&node, "compacted", &configs).await;
    create(&node, "both", &[("cleanup.policy", "compact,delete"), ("retention.ms", "1000")]).await;
    let mut builder =
        BatchBuilder::new(BatchFacts { base_timestamp: node.clock.now_ms(), ..BatchFacts::default() });
    builder.push(0, 0, None, Some(b"no key"), &[]);
    let keyless = builder.build(Compression::None).unwrap().into_bytes();
    assert_eq!(refused(&node, "compacted", keyless).await, ErrorKind::InvalidRecord);
    for topic in ["compacted", "both"] {
        node.produce(topic, 0, batch_at(node.clock.now_ms(), &["a", "b"])).await.unwrap();
    }
    node.clock.advance(3_600_000);
    for _ in 0..100 {
        if node.broker.watermarks(&"both".into(), 0).unwrap().log_start_offset == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        node.broker.watermarks(&"both".into(), 0).unwrap().log_start_offset,
        2,
        "delete still deletes"
    );
    assert_eq!(node.read_all("compacted", 0, 0).await.len(), 2);
    let described = node.broker.describe_topic_configs(&node.broker.topic("both").unwrap());
    let policy = described.iter().find(|entry| entry.name == "cleanup.policy").unwrap();
    assert_eq!(policy.value, "compact,delete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_larger_than_its_bound_loses_its_oldest_objects() {
    let node = Node::with(|config| {
        small(config);
        config.log_retention_check_interval_ms = 20;
    })
    .await;
    create(&node, "t", &[("segment.bytes", "10000")]).await;
    for round in 0..4 {
        node.produce("t", 0, large(12_000, round)).await.unwrap();
        node.broker.seal("t", true).await.unwrap();
    }
    let sizes = node.broker.partition_sizes(&node.broker.topic("t").unwrap());
    assert!(sizes[0].archived_bytes > 30_000, "{sizes:?}");
    let changes = vec![("retention.bytes".to_owned(), Some("15000".to_owned()))];
    node.broker.alter_topic_configs("t", changes, false).await.unwrap();
    let start = || node.broker.watermarks(&"t".into(), 0).unwrap().log_start_offset;
    for _ in 0..100 {
        if start() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!((2..4).contains(&start()), "{}", start());
}
