//! kill -9 at random moments under transactional copiers, of which several fight for each
//! transactional id.
//!
//! `KILLS=n` and `SEED=n` change how often and with which random numbers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use tidemill_broker_process::Broker;
use tidemill_client::Cluster;
use tidemill_crash_tests::committed::read_all_committed;
use tidemill_crash_tests::copier::{Copier, Done, position};
use tidemill_crash_tests::history::History;
use tidemill_crash_tests::producer::Producer;
use tidemill_crash_tests::trial::{self, Kills};
use tidemill_http_server::api::{SealResult, VerifyResult};

const PARTITIONS: i32 = 3;
const COPIERS_EACH: u64 = 2;
const CATCH_UP: Duration = Duration::from_secs(120);
const TOPICS: [&str; 3] = ["in", "out", "audit"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_stay_whole_under_kills() {
    let tmp = env!("CARGO_TARGET_TMPDIR");
    trial::try_in(tmp, "crash-transactions", 15, |kills, dir| async move { run(kills, &dir).await })
        .await
        .unwrap();
}

async fn run(kills: Kills, dir: &Path) -> anyhow::Result<()> {
    let settings = [("wal.segment.bytes", "1048576"), ("hot.bytes", "8388608"), ("journals", "3")];
    let mut broker = Broker::new(&dir.join("data"), &settings)?;
    broker.start().await?;
    for topic in TOPICS {
        let topic = serde_json::json!({"name": topic, "partitions": PARTITIONS});
        let _: serde_json::Value = broker.post("/v1/topics", &topic).await?;
    }
    let history = Arc::new(History::create(&dir.join("history.jsonl"))?);
    let (feeding, copying, watching) = (flag(), flag(), flag());
    let feeder = Producer {
        number: 0,
        topic: "in".into(),
        partitions: PARTITIONS,
        idempotent: true,
        seed: kills.seed,
        timestamp_ms: i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
        kafka_addr: broker.kafka_addr.clone(),
    };
    let feeder = tokio::spawn(feeder.run(Arc::clone(&history), Arc::clone(&feeding)));
    let done = Arc::new(Done::default());
    let copiers: Vec<_> = (0..COPIERS_EACH * PARTITIONS as u64)
        .map(|number| Copier {
            number,
            partition: (number % PARTITIONS as u64) as i32,
            partitions: PARTITIONS,
            seed: kills.seed,
            kafka_addr: broker.kafka_addr.clone(),
            done: Arc::clone(&done),
        })
        .map(|copier| tokio::spawn(copier.run(Arc::clone(&copying))))
        .collect();
    let watcher = tokio::spawn(watch(broker.kafka_addr.clone(), Arc::clone(&watching)));
    let any_topic =
        |random: &mut StdRng| TOPICS.get(random.random_range(0..TOPICS.len())).copied().unwrap_or("in");
    kills.carry_out(&mut broker, |text| history.note(text), 100..1500, any_topic).await?;
    feeding.store(true, Ordering::Relaxed);
    feeder.await??;
    let copied = wait_until_copied(&broker).await;
    copied.with_context(|| format!("{done:?}"))?;
    copying.store(true, Ordering::Relaxed);
    for copier in copiers {
        copier.await?;
    }
    watching.store(true, Ordering::Relaxed);
    watcher.await??;
    println!("{done:?}");
    let before = check(&broker).await?;
    for topic in TOPICS {
        let _: SealResult = broker.post(&format!("/v1/archive/{topic}/seal?wait=true"), &()).await?;
    }
    broker.kill()?;
    broker.start().await?;
    for topic in TOPICS {
        let verified: VerifyResult = broker.post(&format!("/v1/archive/{topic}/verify"), &()).await?;
        ensure!(verified.problems.is_empty(), "{topic}: {:?}", verified.problems);
    }
    ensure!(check(&broker).await? == before, "the archive reads differently");
    Ok(())
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

/// Committed positions never go back, whoever crashes.
async fn watch(kafka_addr: String, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut seen = [0i64; PARTITIONS as usize];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(cluster) = Cluster::connect(&kafka_addr, "watcher").await {
            for (partition, seen) in (0..).zip(&mut seen) {
                if let Ok(Some(now)) = position(cluster.bootstrap(), partition).await {
                    ensure!(now >= *seen, "the position in partition {partition} fell from {seen} to {now}");
                    *seen = now;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

async fn wait_until_copied(broker: &Broker) -> anyhow::Result<()> {
    let started = Instant::now();
    let cluster = Cluster::connect(&broker.kafka_addr, "waiter").await?;
    for partition in 0..PARTITIONS {
        let end = cluster.bootstrap().list_offset("in", partition, -1).await?;
        while position(cluster.bootstrap(), partition).await?.unwrap_or(-1) < end {
            ensure!(started.elapsed() < CATCH_UP, "partition {partition} is not copied");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Every record of the input is committed once in each copy, in order, and nothing else is.
async fn check(broker: &Broker) -> anyhow::Result<Vec<Vec<(i64, Vec<u8>)>>> {
    let mut everything = Vec::new();
    for partition in 0..PARTITIONS {
        let input = read_all_committed(&broker.kafka_addr, "in", partition).await?;
        ensure!(!input.is_empty(), "the workload did nothing");
        let expected: Vec<String> = input.iter().map(|(offset, _)| format!("{partition}:{offset}")).collect();
        for (topic, target) in [("out", partition), ("audit", (partition + 1) % PARTITIONS)] {
            let copy = read_all_committed(&broker.kafka_addr, topic, target).await?;
            let found: Vec<String> = copy
                .iter()
                .map(|(_, value)| String::from_utf8(value.clone()).context("no text"))
                .collect::<anyhow::Result<_>>()?;
            let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
            ensure!(
                expected == found,
                "{topic}-{target}: {} records expected, {} found, first difference at {differs:?}",
                expected.len(),
                found.len()
            );
            everything.push(copy);
        }
    }
    Ok(everything)
}
