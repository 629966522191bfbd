//! Retention by time and bytes, and the objects it leaves.

use std::time::Duration;

use tidemill_broker::NewTopic;
use tidemill_disk::Clock;

use crate::node::{Node, batch_at, small};

async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_objects_go_and_their_files_too() {
    let node = Node::with(|config| {
        small(config);
        config.log_retention_check_interval_ms = 50;
    })
    .await;
    let topic = NewTopic::named("t").with_config("retention.ms", "60000");
    node.broker.create_topic(topic).await.unwrap();
    let compacted = NewTopic::named("kept").with_config("retention.ms", "60000");
    let compacted = compacted.with_config("cleanup.policy", "compact");
    node.broker.create_topic(compacted).await.unwrap();
    node.produce("kept", 0, batch_at(node.clock.now_ms(), &["a", "b"])).await.unwrap();
    let now = node.clock.now_ms();
    for round in 0..3 {
        node.produce("t", 0, batch_at(now + round * 1000, &["a", "b"])).await.unwrap();
        node.broker.seal("t", true).await.unwrap();
    }
    let objects = node.broker.archive_status(Some("t")).unwrap()[0].partitions[0].objects.clone();
    let exists = |n: usize| node.data_dir().join("objects").join(&objects[n].path).exists();
    assert!(exists(0) && exists(2));
    node.clock.advance(60_500);
    let start = || node.broker.watermarks(&"t".into(), 0).unwrap().log_start_offset;
    until(|| start() == 2).await;
    until(|| !exists(0)).await;
    assert!(exists(1) && exists(2));
    assert_eq!(node.read_all("t", 0, 2).await.len(), 4);
    node.clock.advance(10_000);
    until(|| start() == 6).await;
    until(|| !exists(2)).await;
    node.produce("t", 0, batch_at(node.clock.now_ms(), &["new"])).await.unwrap();
    assert_eq!(node.read_all("t", 0, 6).await.len(), 1);
    assert_eq!(node.read_all("kept", 0, 0).await.len(), 2, "a compacted topic does not age");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_committed_is_found_and_deleted() {
    let node = Node::with(|config| {
        small(config);
        config.archive_gc_interval_ms = 100;
        config.archive_gc_grace_ms = 60_000;
    })
    .await;
    node.create("t", 1).await;
    node.produce("t", 0, batch_at(1_700_000_000_000, &["a"])).await.unwrap();
    node.broker.seal("t", true).await.unwrap();
    let live = node
        .data_dir()
        .join("objects")
        .join(&node.broker.archive_status(Some("t")).unwrap()[0].partitions[0].objects[0].path);
    let orphan = live.with_file_name("00000000000000000001-00000000000000000005-1-00000000000000aa.parquet");
    std::fs::write(&orphan, "nobody's").unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(orphan.exists(), "it could be about to be committed");
    node.clock.advance(61_000);
    until(|| !orphan.exists()).await;
    assert!(live.exists());
    assert_eq!(node.read_all("t", 0, 0).await.len(), 1);
}
