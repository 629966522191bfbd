//! A batch that may not be sealed, as of an open transaction, beside traffic at full rate.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_disk::{RealDisk, SystemClock};
use tidemill_records::{BatchBuilder, BatchFacts, Compression};
use tidemill_state::PartitionId;

use crate::{Broker, BrokerConfig, ErrorKind, NewTopic, ProducePartition, ProduceRequest};

const MIB: u64 = 1 << 20;

fn batch(value: &[u8]) -> Bytes {
    let facts = BatchFacts { base_timestamp: 1_700_000_000_000, ..BatchFacts::default() };
    BatchBuilder::new(facts).push(0, 0, None, Some(value), &[]).build(Compression::None).unwrap().into_bytes()
}

async fn produce(broker: &Broker, topic: &str, records: Bytes) -> Result<(), ErrorKind> {
    let partitions = vec![ProducePartition { topic: topic.into(), partition: 0, records }];
    let mut produced = broker.submit_produce(ProduceRequest { acks: -1, partitions }).await.wait().await;
    produced.remove(0).result.map(|_| ()).map_err(|error| error.kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_back_batch_does_not_pin_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = BrokerConfig {
        data_dir: dir.path().to_owned(),
        journals: 1,
        wal_segment_bytes: 512 << 10,
        hot_bytes: 6 << 20,
        hot_cache_bytes: 1 << 20,
        disk_reserve_bytes: 1 << 20,
        ..BrokerConfig::default()
    };
    config.topic_defaults.retention_ms = -1;
    let broker = Broker::start(config, Arc::new(RealDisk), Arc::new(SystemClock)).await.unwrap();
    for name in ["held", "busy"] {
        broker.create_topic(NewTopic::named(name)).await.unwrap();
    }
    let held = PartitionId { topic_id: broker.topic("held").unwrap().id, partition: 0 };
    broker.housekeeping.held_back.lock().insert(held, 1);
    for value in ["before", "of an open transaction"] {
        produce(&broker, "held", batch(value.as_bytes())).await.unwrap();
    }
    let value: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut produced, mut refused) = (0, 0);
    while produced < 24 * MIB {
        match produce(&broker, "busy", batch(&value)).await {
            Ok(()) => produced += value.len() as u64,
            Err(kind) => {
                assert_eq!(kind, ErrorKind::KafkaStorageError);
                refused += 1;
                assert!(refused < 100, "the log does not shrink");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        for (_, journal) in broker.journals.all_data() {
            let bytes = journal.usage().total_bytes;
            assert!(bytes < 8 * MIB, "the log has {bytes} bytes after {produced}");
        }
    }
    // What lies before the transaction can be sealed; the rest waits, and can be read.
    broker.housekeeping.want(held, 1);
    let mut next = 0;
    while next < 2 {
        let read = broker.read_committed(held, next, 1 << 20).await.unwrap();
        assert!(read.next_offset > next, "nothing at {next}");
        next = read.next_offset;
    }
    assert!(broker.watermarks(&"held".into(), 0).unwrap().archived_end <= 1);
    // The transaction ends.
    broker.housekeeping.held_back.lock().clear();
    broker.seal("held", true).await.unwrap();
    assert_eq!(broker.watermarks(&"held".into(), 0).unwrap().archived_end, 2);
    broker.shutdown().await;
}
