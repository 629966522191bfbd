//! A simulated disk that dies at the named places of sealing.

use std::sync::Arc;

use tidemill_broker::{Broker, BrokerConfig, NewTopic};
use tidemill_disk::sim::SimDisk;

use crate::node::{TestClock, batch, open, produce, read_all, small};

async fn broker(dir: &tempfile::TempDir, disk: &SimDisk) -> Result<Arc<Broker>, tidemill_broker::Error> {
    let mut config = BrokerConfig { data_dir: dir.path().to_owned(), journals: 1, ..BrokerConfig::default() };
    small(&mut config);
    open(config, Arc::new(disk.clone()), Arc::new(TestClock::default())).await
}

/// Seals until the disk dies at a place, comes back with what was synced, and seals again: nothing
/// is lost, nothing is there twice.
async fn seal_and_die(place: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(7);
    let first = broker(&dir, &disk).await.unwrap();
    first.create_topic(NewTopic::named("t").with_partitions(2)).await.unwrap();
    for n in 0..10 {
        let value = n.to_string();
        for partition in 0..2 {
            produce(&first, "t", partition, batch(&[value.as_str()])).await.unwrap();
        }
    }
    let before = read_all(&first, "t", 0, 0).await;
    disk.crash_at(place, 0);
    // What was committed before the crash counts, so sealing may have worked.
    let _ = first.seal("t", true).await;
    for _ in 0..100 {
        if disk.has_crashed() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(disk.has_crashed(), "{place} was not passed");
    first.shutdown().await;
    drop(first);

    let disk = disk.crash();
    let second = broker(&dir, &disk).await.unwrap();
    assert_eq!(read_all(&second, "t", 0, 0).await.len(), 10);
    second.seal("t", true).await.unwrap();
    let marks = second.watermarks(&"t".into(), 0).unwrap();
    assert_eq!((marks.archived_end, marks.high_watermark), (10, 10));
    let seen = read_all(&second, "t", 0, 0).await;
    assert_eq!(seen, before);
    let report = second.verify("t").await.unwrap();
    assert_eq!((report.records, report.problems.len()), (20, 0), "{report:?}");
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploaded_and_not_committed() {
    seal_and_die("broker: object uploaded, not committed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_and_not_released() {
    seal_and_die("broker: object committed, hot batches not released").await;
}
