//! Producing: order, refusals, stamping, retries.

use bytes::Bytes;
use tidemill_broker::{ErrorKind, NewTopic, ProducePartition, ProduceRequest};
use tidemill_records::Compression;

use crate::node::{Node, batch, build};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_keep_their_order_while_acks_are_pending() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let mut pending = Vec::new();
    for index in 0..200 {
        let value = index.to_string();
        let records = batch(&[value.as_str(), "second"]);
        let partitions = vec![ProducePartition { topic: "t".into(), partition: 0, records }];
        pending.push(node.broker.submit_produce(ProduceRequest { acks: 1, partitions }).await);
    }
    for (index, pending) in pending.into_iter().enumerate() {
        let produced = pending.wait().await.remove(0).result.unwrap();
        assert_eq!(produced.base_offset, 2 * index as i64);
        assert_eq!(produced.log_append_time_ms, -1);
    }
    let seen = node.read_all("t", 0, 0).await;
    assert_eq!(seen.len(), 400);
    assert_eq!(seen[398].value.as_deref(), Some(b"199".as_slice()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_per_partition() {
    let node = Node::start().await;
    node.broker
        .create_topic(NewTopic::named("t").with_partitions(1).with_config("max.message.bytes", "200"))
        .await
        .unwrap();
    let mut broken = batch(&["x"]).to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let long = "long".repeat(100);
    let cases = [
        ("nowhere", 0, batch(&["x"]), ErrorKind::UnknownTopicOrPartition),
        ("t", 7, batch(&["x"]), ErrorKind::UnknownTopicOrPartition),
        ("t", 0, Bytes::new(), ErrorKind::InvalidRecord),
        ("t", 0, Bytes::from(broken), ErrorKind::CorruptMessage),
        ("t", 0, batch(&[long.as_str()]), ErrorKind::MessageTooLarge),
        ("t", 0, build(i64::MAX / 2, &["late"], Compression::None, -1, -1), ErrorKind::InvalidTimestamp),
    ];
    let partitions = cases
        .iter()
        .map(|(topic, partition, records, _)| ProducePartition {
            topic: (*topic).into(),
            partition: *partition,
            records: records.clone(),
        })
        .chain([ProducePartition { topic: "t".into(), partition: 0, records: batch(&["good"]) }])
        .collect();
    let results = node.broker.submit_produce(ProduceRequest { acks: -1, partitions }).await.wait().await;
    for ((_, _, _, kind), result) in cases.iter().zip(&results) {
        let error = result.result.clone().unwrap_err();
        assert_eq!(error.kind, *kind, "{error}");
    }
    assert_eq!(
        results.last().unwrap().result.clone().unwrap().base_offset,
        node.read_all("t", 0, 0).await.len() as i64 - 1
    );
    let refused = ProduceRequest { acks: 2, partitions: vec![] };
    assert!(node.broker.submit_produce(refused).await.wait().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producers_retry_is_recognised() {
    let node = Node::start().await;
    node.create("t", 1).await;
    let id = node.broker.init_producer_id().await.unwrap();
    let next = node.broker.init_producer_id().await.unwrap();
    assert_ne!(id.producer_id, next.producer_id);
    let first = build(1_700_000_000_000, &["a", "b"], Compression::Zstd, id.producer_id, 0);
    let second = build(1_700_000_000_000, &["c"], Compression::Zstd, id.producer_id, 2);
    assert_eq!(node.produce("t", 0, first.clone()).await.unwrap().base_offset, 0);
    assert_eq!(node.produce("t", 0, second).await.unwrap().base_offset, 2);
    assert_eq!(node.produce("t", 0, first).await.unwrap().base_offset, 0, "the retry's original");
    assert_eq!(node.read_all("t", 0, 0).await.len(), 3);
    let gap = build(1_700_000_000_000, &["d"], Compression::None, id.producer_id, 9);
    assert_eq!(node.produce("t", 0, gap).await.unwrap_err().kind, ErrorKind::OutOfOrderSequenceNumber);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_append_time_never_falls() {
    let node = Node::start().await;
    let topic =
        NewTopic::named("t").with_partitions(1).with_config("message.timestamp.type", "LogAppendTime");
    node.broker.create_topic(topic.with_config("compression.type", "lz4")).await.unwrap();
    let writers = (0..8).map(|_| {
        let broker = node.broker.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let produced = crate::node::produce(&broker, "t", 0, batch(&["x", "y"])).await.unwrap();
                assert!(produced.log_append_time_ms > 0);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let seen = node.read_all("t", 0, 0).await;
    assert_eq!(seen.len(), 320);
    assert!(seen.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
    assert!(seen.iter().all(|record| record.batch.2 & 7 == 3), "stored as lz4");
}
