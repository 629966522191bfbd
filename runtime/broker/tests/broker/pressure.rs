//! The log stays within its bound, whoever sits in its old files.

use std::time::Duration;

use tidemill_broker::ErrorKind;

use crate::node::{Node, batch, large};

const MIB: u64 = 1 << 20;

fn log_bytes(node: &Node) -> u64 {
    let mut bytes = 0;
    for journal in 1..=2 {
        let dir = node.data_dir().join("journals").join(journal.to_string()).join("wal");
        bytes += std::fs::read_dir(dir)
            .unwrap()
            // A file may go between being listed and being looked at.
            .filter_map(|entry| Some(entry.unwrap().metadata().ok()?.len()))
            .sum::<u64>();
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_partition_beside_traffic_pins_nothing() {
    let node = Node::with(|config| {
        config.wal_segment_bytes = 512 << 10;
        config.hot_bytes = 8 << 20;
        config.hot_cache_bytes = 1 << 20;
        config.disk_reserve_bytes = 1 << 20;
        config.topic_defaults.retention_ms = -1;
    })
    .await;
    node.create("idle", 2).await;
    node.create("busy", 2).await;
    for partition in 0..2 {
        node.produce("idle", partition, batch(&["alone"])).await.unwrap();
    }
    let (mut produced, mut refused) = (0u64, 0u64);
    while produced < 32 * MIB {
        for partition in 0..2 {
            let records = large(100_000, produced + partition as u64);
            let size = records.len() as u64;
            match node.produce("busy", partition, records).await {
                Ok(_) => produced += size,
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::KafkaStorageError, "{error}");
                    refused += 1;
                    assert!(refused < 600, "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let bytes = log_bytes(&node);
        assert!(bytes < 13 * MIB, "the log has {bytes} bytes after {produced}");
    }
    for partition in 0..2 {
        let marks = node.broker.watermarks(&"idle".into(), partition).unwrap();
        assert_eq!((marks.archived_end, marks.high_watermark), (0, 1), "too little to be sealed");
        assert_eq!(node.read_all("idle", partition, 0).await.len(), 1);
    }
    let node = node.restart().await;
    assert_eq!(node.read_all("idle", 0, 0).await.len(), 1);
    let records: usize = node.read_all("busy", 0, 0).await.len() + node.read_all("busy", 1, 0).await.len();
    assert_eq!(records as u64, produced.div_ceil(large(100_000, 0).len() as u64));
}
