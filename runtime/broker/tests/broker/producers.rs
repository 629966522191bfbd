//! What is known of producers outlives the log files that held their records.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidemill_broker::{Broker, BrokerConfig, ErrorKind, NewTopic};
use tidemill_disk::Disk;
use tidemill_disk::sim::SimDisk;
use tidemill_records::Compression;

use crate::node::{TestClock, build, large, open, produce, read_all, small};

const TIMESTAMP_MS: i64 = 1_700_000_000_000;

async fn broker(dir: &tempfile::TempDir, disk: &SimDisk) -> Arc<Broker> {
    let mut config = BrokerConfig { data_dir: dir.path().to_owned(), journals: 1, ..BrokerConfig::default() };
    small(&mut config);
    open(config, Arc::new(disk.clone()), Arc::new(TestClock::default())).await.unwrap()
}

/// The first index of the oldest segment of the data journal.
fn oldest_segment(disk: &SimDisk, dir: &Path) -> u64 {
    let names = disk.list(&dir.join("journals/1/wal")).unwrap();
    let indexes = names.iter().filter_map(|name| name.strip_suffix(".wal")?.parse().ok());
    indexes.min().unwrap()
}

/// Writes, seals and checkpoints until no file is left that was there before.
async fn archive_everything(broker: &Broker, disk: &SimDisk, dir: &Path) {
    let newest = |names: Vec<String>| names.iter().filter_map(|n| n.strip_suffix(".wal")?.parse().ok()).max();
    let last: u64 = newest(disk.list(&dir.join("journals/1/wal")).unwrap()).unwrap();
    for round in 0..200 {
        if oldest_segment(disk, dir) > last {
            return;
        }
        produce(broker, "filler", 0, large(100_000, round)).await.unwrap();
        for topic in ["t", "filler"] {
            broker.seal(topic, true).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the log still begins at {}, and had a file of {last}", oldest_segment(disk, dir));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_is_known_when_only_the_archive_has_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(13);
    let first = broker(&dir, &disk).await;
    for topic in ["t", "filler"] {
        first.create_topic(NewTopic::named(topic).with_partitions(1)).await.unwrap();
    }
    let id = first.init_producer_id().await.unwrap().producer_id;
    let batch =
        |values: &[&str], sequence| -> Bytes { build(TIMESTAMP_MS, values, Compression::Zstd, id, sequence) };
    let batches = [batch(&["a", "b"], 0), batch(&["c"], 2), batch(&["d", "e"], 3)];
    for records in &batches {
        produce(&first, "t", 0, records.clone()).await.unwrap();
    }
    archive_everything(&first, &disk, dir.path()).await;
    // What was not synced is gone, and of the records nothing was in the log any more.
    let disk = disk.crash();
    first.shutdown().await;
    drop(first);

    let second = broker(&dir, &disk).await;
    let marks = second.watermarks(&"t".into(), 0).unwrap();
    assert_eq!((marks.archived_end, marks.high_watermark), (5, 5));
    for (records, base_offset) in batches.iter().zip([0, 2, 3]) {
        let again = produce(&second, "t", 0, records.clone()).await.unwrap();
        assert_eq!(again.base_offset, base_offset, "a retry is recognised");
    }
    let gap = produce(&second, "t", 0, batch(&["z"], 9)).await.unwrap_err();
    assert_eq!(gap.kind, ErrorKind::OutOfOrderSequenceNumber);
    assert_eq!(produce(&second, "t", 0, batch(&["f"], 5)).await.unwrap().base_offset, 5);
    assert_eq!(read_all(&second, "t", 0, 0).await.len(), 6);
    second.shutdown().await;
}
