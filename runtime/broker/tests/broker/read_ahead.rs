//! Reading ahead changes how long a fetch takes, never what it answers.

use tidemill_broker::{ErrorKind, FetchPartition, FetchedPartition};

use crate::node::{Node, Seen, batch_at, fetch_request, see, want};

const PIECE_BYTES: i32 = 64 << 10;
const RECORDS: i64 = 600;

async fn filled() -> Node {
    let node = Node::start().await;
    node.create("t", 1).await;
    for n in 0..RECORDS {
        let value = format!("{n} {}", "v".repeat(1000));
        node.produce("t", 0, batch_at(1_700_000_000_000 + n, &[&value])).await.unwrap();
    }
    node
}

async fn piece(node: &Node, offset: i64, max_bytes: i32) -> FetchedPartition {
    let wanted = FetchPartition { max_bytes, ..want("t", 0, offset) };
    node.broker.fetch(fetch_request(vec![wanted])).await.remove(0)
}

/// Reads to the end in pieces of these sizes, in turn.
async fn in_pieces(node: &Node, sizes: &[i32]) -> Vec<Seen> {
    let mut all = Vec::new();
    for size in sizes.iter().cycle() {
        let offset = all.last().map_or(0, |seen: &Seen| seen.offset + 1);
        let fetched = piece(node, offset, *size).await;
        assert_eq!(fetched.error, None);
        let bytes: usize = fetched.batches.iter().map(|batch| batch.size_bytes()).sum();
        assert!(fetched.batches.len() <= 1 || bytes <= *size as usize, "{bytes} of {size}");
        if fetched.batches.is_empty() {
            assert_eq!(offset, fetched.high_watermark);
            return all;
        }
        all.extend(fetched.batches.iter().flat_map(see));
    }
    all
}

fn hits(node: &Node) -> u64 {
    node.metric("tidemill_fetch_read_ahead_hits_total")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_add_up_to_the_whole_whatever_their_sizes() {
    let node = filled().await;
    let whole = node.read_all("t", 0, 0).await;
    assert_eq!(whole.len() as i64, RECORDS);
    for sealed in [false, true] {
        if sealed {
            node.broker.seal("t", true).await.unwrap();
        }
        let before = hits(&node);
        assert_eq!(in_pieces(&node, &[PIECE_BYTES]).await, whole);
        assert!(hits(&node) >= before + 5, "{} pieces came from reading ahead", hits(&node) - before);
        // A piece that was read ahead may be larger or smaller than what is asked for in the end.
        assert_eq!(in_pieces(&node, &[PIECE_BYTES, 3 * PIECE_BYTES, 100, 70_000, 5000]).await, whole);
        let (one, other) = tokio::join!(in_pieces(&node, &[PIECE_BYTES]), in_pieces(&node, &[PIECE_BYTES]));
        assert!(one == whole && other == whole, "two consumers do not get in each other's way");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_meanwhile_is_not_served() {
    let node = filled().await;
    let mut next = 0;
    for _ in 0..3 {
        next = piece(&node, next, PIECE_BYTES).await.batches.last().unwrap().next_offset();
    }
    node.broker.delete_records(&"t".into(), 0, next + 1).await.unwrap();
    let refused = piece(&node, next, PIECE_BYTES).await;
    assert_eq!(refused.error.unwrap().kind, ErrorKind::OffsetOutOfRange);
    assert_eq!(piece(&node, next + 1, PIECE_BYTES).await.error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_turned_off() {
    let node = filled().await.restart_with(|config| config.fetch_read_ahead_bytes = 0).await;
    assert_eq!(in_pieces(&node, &[PIECE_BYTES]).await.len() as i64, RECORDS);
    assert_eq!(hits(&node), 0);
}
