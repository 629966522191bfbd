//! Three replicas of a journal in one process, over a network in memory, each on its own simulated
//! disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod rig;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rig::*;
use tidemill_disk::SimDisk;
use tidemill_journal::{Error, Journal, Options, Reply, Timing, Transport};
use tidemill_state::{Command, Outcome};

const PARTITIONS: i32 = 3;

/// The network, and who is on it.
#[derive(Default)]
struct Cluster {
    up: Mutex<BTreeMap<u64, Journal>>,
    disks: Mutex<BTreeMap<u64, SimDisk>>,
    cut: Mutex<HashSet<u64>>,
}

/// One node's plug.
struct Plug {
    from: u64,
    cluster: Weak<Cluster>,
}

impl Transport for Plug {
    fn call(&self, _: u32, node: u64, request: Bytes) -> Reply {
        let cluster = self.cluster.upgrade();
        let from = self.from;
        Box::pin(async move {
            let cluster = cluster.ok_or_else(|| io::Error::other("no network"))?;
            let cut = |node| cluster.cut.lock().contains(&node);
            let target = cluster.up.lock().get(&node).cloned();
            let target =
                target.filter(|_| !cut(node) && !cut(from)).ok_or_else(|| io::Error::other("unreachable"))?;
            let answer = target.receive(request).await.map_err(io::Error::other)?;
            if cut(node) || cut(from) {
                return Err(io::Error::other("answer lost"));
            }
            Ok(answer)
        })
    }
}

impl Cluster {
    async fn new(seed: u64) -> Arc<Cluster> {
        let cluster = Arc::new(Cluster::default());
        for node in 1..=3 {
            cluster.disks.lock().insert(node, SimDisk::new(seed * 10 + node));
        }
        // All of them form the cluster, whichever is first.
        for node in 1..=3 {
            cluster.start(node).await;
        }
        cluster
    }

    async fn start(self: &Arc<Self>, node: u64) {
        let options = Options {
            node_id: node,
            voters: vec![1, 2, 3],
            transport: Some(Arc::new(Plug { from: node, cluster: Arc::downgrade(self) })),
            timing: Timing {
                heartbeat: Duration::from_millis(100),
                election_min: Duration::from_millis(300),
                election_max: Duration::from_millis(500),
            },
            ..small()
        };
        let disk = self.disks.lock()[&node].clone();
        let journal = open(&disk, options).await.unwrap();
        self.up.lock().insert(node, journal);
    }

    /// Cuts a node's power.
    fn kill(&self, node: u64) {
        let mut disks = self.disks.lock();
        let survivor = disks[&node].crash();
        disks.insert(node, survivor);
        self.up.lock().remove(&node);
    }

    async fn leader(&self) -> (u64, Journal) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let up: Vec<_> = self.up.lock().iter().map(|(node, journal)| (*node, journal.clone())).collect();
            let cut = self.cut.lock().clone();
            // The one that a majority takes for the leader.
            for (node, journal) in &up {
                let followers = up.iter().filter(|(_, other)| other.leader() == Some(*node)).count();
                if !cut.contains(node) && journal.is_leader() && followers >= 2 {
                    return (*node, journal.clone());
                }
            }
            assert!(Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn propose(&self, command: Command) -> Outcome {
        loop {
            let (_, leader) = self.leader().await;
            match tokio::time::timeout(Duration::from_secs(5), leader.propose(command.clone())).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Waits until all replicas have applied the same, and compares them byte for byte.
    ///
    /// A proposal whose writer gave up may still be applied while this reads; what was read counts
    /// only if no replica's state moved meanwhile.
    async fn compare(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let states_of = |journals: &[Journal]| -> Vec<Vec<u8>> {
            journals.iter().map(|journal| journal.state(|s| s.export().unwrap())).collect()
        };
        loop {
            let journals: Vec<Journal> = self.up.lock().values().cloned().collect();
            let states = states_of(&journals);
            if all_equal(&states) {
                let hot: Vec<Vec<Vec<Bytes>>> = (0..PARTITIONS)
                    .map(|number| journals.iter().map(|j| bytes_of(j, number)).collect())
                    .collect();
                if states_of(&journals) == states {
                    for (number, replicas) in hot.iter().enumerate() {
                        same_batches(number, replicas);
                    }
                    return;
                }
            }
            assert!(Instant::now() < deadline, "replicas do not converge");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn all_equal<T: PartialEq>(replicas: &[T]) -> bool {
    replicas.windows(2).all(|pair| pair[0] == pair[1])
}

fn bytes_of(journal: &Journal, number: i32) -> Vec<Bytes> {
    batches(journal, number).iter().map(|batch| batch.bytes().clone()).collect()
}

/// Fails with the first batch in which replicas differ.
fn same_batches(number: usize, replicas: &[Vec<Bytes>]) {
    if all_equal(replicas) {
        return;
    }
    let counts: Vec<usize> = replicas.iter().map(Vec::len).collect();
    let at = (0..).find(|at| !all_equal(&replicas.iter().map(|r| r.get(*at)).collect::<Vec<_>>())).unwrap();
    let there: Vec<_> = replicas.iter().map(|r| r.get(at)).collect();
    panic!("partition {number} differs from batch {at} on; batches {counts:?}, there {there:?}");
}

/// Writes through whoever leads, until told to stop. Each attempt is a record of its own, so one
/// whose outcome nobody knows may be there once.
async fn writer(cluster: Arc<Cluster>, ledger: Arc<Ledger>, writer: u64, stop: Arc<Mutex<bool>>) {
    let number = writer as i32 % PARTITIONS;
    let mut n = 0;
    while !*stop.lock() {
        let (_, leader) = cluster.leader().await;
        let writing = ledger.write(&leader, writer, number, n, 500);
        drop(leader.clone());
        tokio::select! {
            (next, _) = writing => n = next,
            () = async { while !*stop.lock() { tokio::time::sleep(Duration::from_millis(20)).await } } => return,
            // A leader that was cut off does not know it yet; its clients lose patience.
            () = tokio::time::sleep(Duration::from_millis(1500)) => n += 1_000_000,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_equal_byte_for_byte() {
    let cluster = Cluster::new(1).await;
    for number in 0..PARTITIONS {
        assert_eq!(cluster.propose(open_partition(number)).await, Outcome::Done);
    }
    for id in 0..150 {
        cluster.propose(append((id % 3) as i32, vec![batch(id, 700)])).await;
    }
    cluster.compare().await;
    let (leader, journal) = cluster.leader().await;
    let follower = cluster.up.lock().iter().find(|(node, _)| **node != leader).unwrap().1.clone();
    let refused = follower.propose(append(0, vec![batch(1, 10)])).await;
    assert_eq!(refused, Err(Error::NotLeader { leader: Some(leader) }));
    assert_eq!(read_all(&journal, 0).len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_leaders_die() {
    let cluster = Cluster::new(2).await;
    for number in 0..PARTITIONS {
        cluster.propose(open_partition(number)).await;
    }
    let ledger = Arc::new(Ledger::default());
    let stop = Arc::new(Mutex::new(false));
    let writers: Vec<_> =
        (1..=6).map(|id| tokio::spawn(writer(cluster.clone(), ledger.clone(), id, stop.clone()))).collect();
    for round in 0..6u64 {
        tokio::time::sleep(Duration::from_millis(250 + round * 70)).await;
        let (leader, _) = cluster.leader().await;
        let acked = ledger.acked_count();
        if round % 3 == 2 {
            // Alive, but alone: it must not answer for what others do not have.
            cluster.cut.lock().insert(leader);
            tokio::time::sleep(Duration::from_millis(1200)).await;
            cluster.leader().await;
            cluster.cut.lock().clear();
        } else {
            cluster.kill(leader);
            cluster.leader().await;
            tokio::time::sleep(Duration::from_millis(150)).await;
            cluster.start(leader).await;
        }
        cluster.propose(open_partition(0)).await;
        assert!(ledger.acked_count() >= acked);
    }
    *stop.lock() = true;
    for writer in writers {
        writer.await.unwrap();
    }
    cluster.compare().await;
    let (_, journal) = cluster.leader().await;
    ledger.check(&journal, 0..PARTITIONS);
    assert!(ledger.acked_count() > 100, "only {} records were acknowledged", ledger.acked_count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_them_lose_power() {
    let cluster = Cluster::new(3).await;
    for number in 0..PARTITIONS {
        cluster.propose(open_partition(number)).await;
    }
    let ledger = Arc::new(Ledger::default());
    let stop = Arc::new(Mutex::new(false));
    let writers: Vec<_> =
        (1..=4).map(|id| tokio::spawn(writer(cluster.clone(), ledger.clone(), id, stop.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for node in 1..=3 {
        cluster.kill(node);
    }
    for node in 1..=3 {
        cluster.start(node).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.propose(open_partition(0)).await;
    *stop.lock() = true;
    for writer in writers {
        writer.await.unwrap();
    }
    cluster.compare().await;
    ledger.check(&cluster.leader().await.1, 0..PARTITIONS);
}

/// A replica that was away while the log moved on and its files went gets the state as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_too_far_behind_gets_a_snapshot() {
    let cluster = Cluster::new(4).await;
    cluster.propose(open_partition(0)).await;
    cluster.propose(open_partition(1)).await;
    let (leader, _) = cluster.leader().await;
    let away = (1..=3).find(|node| *node != leader).unwrap();
    cluster.kill(away);
    for id in 0..200 {
        cluster.propose(append(0, vec![batch(id, 2000)])).await;
    }
    assert_eq!(cluster.propose(archive(0, 0, 199)).await, Outcome::Done);
    for _ in 0..3 {
        let up: Vec<_> = cluster.up.lock().values().cloned().collect();
        for journal in up {
            journal.checkpoint_now().await.unwrap();
        }
        cluster.propose(append(1, vec![batch(1, 100)])).await;
    }
    cluster.start(away).await;
    let journal = cluster.up.lock()[&away].clone();
    reaches(&journal, 200).await;
    for id in 500..510 {
        cluster.propose(append(0, vec![batch(id, 100)])).await;
    }
    reaches(&journal, 210).await;
    let found = read_all(&journal, 0);
    assert!(found.range(200..).count() == 10, "{found:?}");
    assert_eq!(journal.state(|s| s.partition(&partition(0)).unwrap().archived_end), 200);
    // What it was given survives it.
    drop(journal);
    cluster.kill(away);
    cluster.start(away).await;
    cluster.propose(append(0, vec![batch(600, 100)])).await;
    let up: Vec<Journal> = cluster.up.lock().values().cloned().collect();
    for journal in up {
        reaches(&journal, 211).await;
    }
}

async fn reaches(journal: &Journal, high_watermark: i64) {
    let reached = async {
        while journal.state(|s| s.partition(&partition(0)).map(|p| p.high_watermark)) != Some(high_watermark)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("never caught up");
}
