//! A full disk: producers are told, and making room goes on.

use std::sync::Arc;

use tidemill_broker::{BrokerConfig, ErrorKind, NewTopic};
use tidemill_disk::sim::SimDisk;

use crate::node::{TestClock, large, open, produce, read_all, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_are_refused_and_sealing_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(11);
    let mut config = BrokerConfig { data_dir: dir.path().to_owned(), journals: 1, ..BrokerConfig::default() };
    small(&mut config);
    config.disk_reserve_bytes = 4 << 20;
    let broker = open(config, Arc::new(disk.clone()), Arc::new(TestClock::default())).await.unwrap();
    broker.create_topic(NewTopic::named("t")).await.unwrap();
    disk.set_capacity(Some(disk.used_bytes() + (16 << 20)));
    let mut produced = 0;
    let refused = loop {
        assert!(produced < 1000, "the disk does not fill");
        match produce(&broker, "t", 0, large(100_000, produced)).await {
            Ok(_) => produced += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind, ErrorKind::KafkaStorageError);
    assert!(refused.message.contains("full"), "{refused}");
    assert!(produced > 20, "only {produced}");
    assert_eq!(read_all(&broker, "t", 0, 0).await.len() as u64, produced);
    broker.seal("t", true).await.unwrap();
    let mut again = produce(&broker, "t", 0, large(100_000, 0)).await;
    for _ in 0..200 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        again = produce(&broker, "t", 0, large(100_000, 0)).await;
    }
    again.unwrap();
    assert_eq!(read_all(&broker, "t", 0, 0).await.len() as u64, produced + 1);
    broker.shutdown().await;
}
