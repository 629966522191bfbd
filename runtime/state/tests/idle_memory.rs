//! An idle partition must cost little: tens of thousands of them fit on a small machine. In a
//! process of its own, because it looks at the whole process' memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]
#![cfg(target_os = "linux")]

use bytes::Bytes;
use tidemill_records::{BatchBuilder, BatchFacts, Compression};
use tidemill_state::{Append, ApplyContext, Command, OpenPartition, PartitionId, State};
use uuid::Uuid;

const PARTITIONS: i32 = 20_000;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Partitions that each got one batch from an idempotent producer, as clients are by default, and
/// then went quiet.
fn idle(batch: &Bytes) -> State {
    let mut state = State::new();
    let ctx = ApplyContext { log_index: 1, term: 1 };
    for number in 0..PARTITIONS {
        let partition = PartitionId { topic_id: Uuid::from_u128(7), partition: number };
        let topic = "a-topic-name-of-usual-length".into();
        let open = OpenPartition { partition, topic, leader_epoch_base: 0 };
        state.apply(&ctx, &Command::OpenPartition(open));
        let append = Append { partition, batches: vec![batch.clone()], now_ms: 0 };
        state.apply(&ctx, &Command::Append(append));
    }
    drop(state.take_changes().unwrap());
    state
}

#[test]
fn an_idle_partition_takes_less_than_500_bytes() {
    let mut builder = BatchBuilder::new(BatchFacts {
        producer_id: 5,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchFacts::default()
    });
    let batch = builder.push(0, 0, None, None, &[]).build(Compression::None).unwrap().into_bytes();
    // The first one warms the allocator up.
    let mut states = vec![idle(&batch)];
    let before = resident_bytes();
    for _ in 0..4 {
        states.push(idle(&batch));
    }
    let each = resident_bytes().saturating_sub(before) / (4 * PARTITIONS as usize);
    println!("{each} bytes per idle partition");
    assert!(each < 500, "{each} bytes per idle partition");
    assert_eq!(states.len(), 5);
}
