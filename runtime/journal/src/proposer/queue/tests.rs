//! The queue against its promises: fairness, order, bounds.

use proptest::prelude::*;
use tidemill_state::{Append, Trim};
use uuid::Uuid;

use super::*;

fn partition(number: i32) -> PartitionId {
    PartitionId { topic_id: Uuid::from_u128(7), partition: number }
}

fn append(number: i32) -> Command {
    Command::Append(Append { partition: partition(number), batches: Vec::new(), now_ms: 0 })
}

fn waiters(items: &[Item<usize>]) -> Vec<usize> {
    items.iter().map(|item| item.waiter).collect()
}

#[test]
fn everything_that_fits_goes_at_once() {
    let mut queue = Queue::default();
    for i in 0..10 {
        queue.push(append(i % 3), 100, None, i as usize);
    }
    assert_eq!(queue.bytes(), 1000);
    assert_eq!(queue.take(1 << 20, 100).len(), 10);
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn a_firehose_does_not_starve_others() {
    let mut queue = Queue::default();
    for i in 0..1000 {
        queue.push(append(0), 16 << 10, None, i);
    }
    queue.push(append(1), 100, None, 5000);
    queue.push(append(2), 100, None, 5001);
    let first = waiters(&queue.take(1 << 20, 1000));
    assert!(first.contains(&5000) && first.contains(&5001), "the small partitions wait behind the large one");
    assert!(first.len() > 30, "and the rest of the entry is the large one's");
}

#[test]
fn two_firehoses_share_by_bytes() {
    let mut queue = Queue::default();
    for i in 0..400 {
        queue.push(append(0), 64 << 10, None, i);
    }
    for i in 0..4000 {
        queue.push(append(1), 1 << 10, None, 10_000 + i);
    }
    let mut bytes = [0, 0];
    for _ in 0..4 {
        for item in queue.take(1 << 20, 10_000) {
            bytes[usize::from(item.waiter >= 10_000)] += item.cost;
        }
    }
    let ratio = bytes[0] as f64 / bytes[1] as f64;
    assert!((0.7..1.5).contains(&ratio), "{bytes:?}");
}

#[test]
fn a_command_larger_than_an_entry_goes_alone_and_is_not_starved() {
    let mut queue = Queue::default();
    queue.push(append(0), 20 << 20, None, 0);
    for i in 1..2000 {
        queue.push(append(1), 64 << 10, None, i);
    }
    for _ in 0..40 {
        let items = queue.take(4 << 20, 1000);
        if items[0].waiter == 0 {
            assert_eq!(items.len(), 1);
            return;
        }
        assert!(!items.iter().any(|item| item.waiter == 0));
    }
    panic!("the large command never went");
}

#[test]
fn one_command_larger_than_everything_goes_at_once_if_it_is_alone() {
    let mut queue = Queue::default();
    queue.push(append(0), 60 << 20, None, 0);
    assert_eq!(queue.take(1 << 20, 10).len(), 1);
}

#[test]
fn commands_of_one_partition_share_a_flow() {
    let trim = Command::Trim(Trim { partition: partition(3), log_start_offset: 1 });
    assert_eq!(Flow::of(&trim), Flow::of(&append(3)));
    assert_eq!(Flow::of(&Command::DeleteGroup { group_id: "g".into() }), Flow::Control);
}

#[test]
fn drain_gives_back_the_order_of_arrival() {
    let mut queue = Queue::default();
    for i in 0..50 {
        queue.push(append(i as i32 % 7), 10, Some(i as u64 % 3), i);
    }
    assert_eq!(waiters(&queue.drain()), (0..50).collect::<Vec<_>>());
    assert!(queue.is_empty());
    assert_eq!(queue.take(100, 100).len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives whenever: nothing is lost, entries keep their bounds, and both orders hold.
    #[test]
    fn orders_and_bounds_hold(
        arrivals in prop::collection::vec((0..5i32, prop::option::of(0..4u64), 1..200_000usize, any::<bool>()), 1..120),
        limit in 1..300_000usize,
        commands in 1..20usize,
    ) {
        let mut queue = Queue::default();
        let mut entries = Vec::new();
        let mut facts = Vec::new();
        for (i, (flow, submitter, cost, take)) in arrivals.into_iter().enumerate() {
            facts.push((flow, submitter));
            queue.push(append(flow), cost, submitter, i);
            if take {
                entries.push(queue.take(limit, commands));
            }
        }
        while !queue.is_empty() {
            entries.push(queue.take(limit, commands));
        }
        prop_assert_eq!(queue.bytes(), 0);
        for entry in &entries {
            let bytes: usize = entry.iter().map(|item| item.cost).sum();
            prop_assert!(!entry.is_empty() && entry.len() <= commands);
            prop_assert!(bytes <= limit || entry.len() == 1);
        }
        let order: Vec<usize> = entries.iter().flatten().map(|item| item.waiter).collect();
        let mut all = order.clone();
        all.sort_unstable();
        prop_assert_eq!(all, (0..facts.len()).collect::<Vec<_>>());
        for flow in 0..5 {
            let of_flow: Vec<usize> = order.iter().copied().filter(|i| facts[*i].0 == flow).collect();
            prop_assert!(of_flow.is_sorted(), "order of partition {} lost", flow);
        }
        for submitter in 0..4 {
            let of_submitter: Vec<usize> =
                order.iter().copied().filter(|i| facts[*i].1 == Some(submitter)).collect();
            prop_assert!(of_submitter.is_sorted(), "order of submitter {} lost", submitter);
        }
    }
}
