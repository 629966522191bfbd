//! kill -9 at random moments under producers, a transform, a sink and sealing.
//!
//! `KILLS=n` and `SEED=n` change how often and with which random numbers; `make soak` runs more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use rand::RngExt;
use tidemill_broker_process::{Broker, guests};
use tidemill_crash_tests::checks;
use tidemill_crash_tests::history::History;
use tidemill_crash_tests::producer::Producer;
use tidemill_crash_tests::reader::{Read, read_partition};
use tidemill_crash_tests::receiver::Receiver;
use tidemill_crash_tests::trial::{self, Kills};
use tidemill_http_server::api::{ArchiveStatus, FunctionDetail, SealResult, VerifyResult};

const PARTITIONS: i32 = 3;
const CATCH_UP: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_under_kills() {
    let tmp = env!("CARGO_TARGET_TMPDIR");
    trial::try_in(tmp, "crash", 30, |kills, dir| async move { run(kills, &dir).await }).await.unwrap();
}

async fn run(kills: Kills, dir: &Path) -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    // Small files, so that rotation, relocation and deletion happen all the time.
    let settings = [("wal.segment.bytes", "1048576"), ("hot.bytes", "8388608"), ("journals", "2")];
    let mut broker = Broker::new(&dir.join("data"), &settings)?;
    broker.start().await?;
    prepare(&broker, &receiver).await?;
    let history = Arc::new(History::create(&dir.join("history.jsonl"))?);
    let stop = Arc::new(AtomicBool::new(false));
    let timestamp_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let producers: Vec<_> = (0..4)
        .map(|number| Producer {
            number,
            topic: "flights".into(),
            partitions: PARTITIONS,
            idempotent: number % 2 == 0,
            seed: kills.seed,
            timestamp_ms,
            kafka_addr: broker.kafka_addr.clone(),
        })
        .map(|producer| tokio::spawn(producer.run(Arc::clone(&history), Arc::clone(&stop))))
        .collect();
    kills
        .carry_out(
            &mut broker,
            |text| history.note(text),
            50..1500,
            |random| {
                if random.random_bool(0.7) { "flights" } else { "flights.late" }
            },
        )
        .await?;
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.await??;
    }
    check_everything(&mut broker, &receiver, &history).await
}

async fn prepare(broker: &Broker, receiver: &Receiver) -> anyhow::Result<()> {
    let (late_flights, webhook) = tokio::task::spawn_blocking(|| {
        (guests::build("examples/late-flights"), guests::build("examples/webhook"))
    })
    .await?;
    let topic = serde_json::json!({"name": "flights", "partitions": PARTITIONS, "configs": {"segment.bytes": "1048576"}});
    let _: serde_json::Value = broker.post("/v1/topics", &topic).await?;
    guests::deploy(broker, "late-flights", late_flights?, guests::deployment("flights", &["flights.late"]))
        .await?;
    let mut sink = guests::deployment("flights.late", &[]);
    sink.config.insert("url".into(), format!("http://{}/", receiver.address));
    sink.allow_http.push(receiver.address.clone());
    guests::deploy(broker, "webhook", webhook?, sink).await
}

async fn check_everything(broker: &mut Broker, receiver: &Receiver, history: &History) -> anyhow::Result<()> {
    wait_until_caught_up(broker).await?;
    let inputs = read_topic(broker, "flights").await?;
    let outputs = read_topic(broker, "flights.late").await?;
    let sent = history.all_sent();
    let stored: usize = inputs.iter().map(Vec::len).sum();
    println!(
        "{} batches sent, {stored} records stored, {} transformed",
        sent.len(),
        outputs.iter().map(Vec::len).sum::<usize>()
    );
    ensure!(stored > 0 && outputs.iter().all(|part| !part.is_empty()), "the workload did nothing");
    checks::acknowledged_is_stored(&sent, &inputs)?;
    checks::order_is_kept(&inputs)?;
    checks::transformed_exactly_once(&inputs, &outputs)?;
    checks::delivered_exactly_once(&outputs, &receiver.flights())?;
    for topic in ["flights", "flights.late"] {
        let status: ArchiveStatus = broker.get(&format!("/v1/archive/{topic}?files=true")).await?;
        checks::archive_is_contiguous(&status)?;
    }
    archived_equals_hot(broker, &inputs, &outputs).await
}

/// Seals everything, restarts, and reads it all again.
async fn archived_equals_hot(
    broker: &mut Broker,
    inputs: &[Vec<Read>],
    outputs: &[Vec<Read>],
) -> anyhow::Result<()> {
    for topic in ["flights", "flights.late"] {
        let _: SealResult = broker.post(&format!("/v1/archive/{topic}/seal?wait=true"), &()).await?;
    }
    broker.kill()?;
    broker.start().await?;
    for (topic, before) in [("flights", inputs), ("flights.late", outputs)] {
        let verified: VerifyResult = broker.post(&format!("/v1/archive/{topic}/verify"), &()).await?;
        ensure!(verified.problems.is_empty(), "{topic}: {:?}", verified.problems);
        let status: ArchiveStatus = broker.get(&format!("/v1/archive/{topic}?files=true")).await?;
        checks::archive_is_contiguous(&status)?;
        ensure!(
            status.partitions.iter().all(|part| part.archived_end == part.high_watermark),
            "{topic} is not sealed"
        );
        let after = read_topic(broker, topic).await?;
        ensure!(after == before, "{topic} reads differently from the archive");
    }
    Ok(())
}

async fn wait_until_caught_up(broker: &Broker) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let functions: Vec<FunctionDetail> = broker.get("/v1/functions").await?;
        let instances = functions.iter().flat_map(|function| &function.instances);
        let lag: i64 = instances.clone().map(|instance| instance.lag).sum();
        if lag == 0 {
            return Ok(());
        }
        let errors: Vec<_> = instances.filter_map(|instance| instance.error.as_deref()).collect();
        ensure!(errors.is_empty(), "functions stand still: {errors:?}");
        ensure!(started.elapsed() < CATCH_UP, "functions are still {lag} records behind");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn read_topic(broker: &Broker, topic: &str) -> anyhow::Result<Vec<Vec<Read>>> {
    let mut partitions = Vec::new();
    for partition in 0..PARTITIONS {
        let read = read_partition(&broker.kafka_addr, topic, partition).await;
        partitions.push(read.with_context(|| format!("{topic}-{partition}"))?);
    }
    Ok(partitions)
}
