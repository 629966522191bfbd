//! The workload under kill -9 at random moments, and what the checker says of its history.
//!
//! `KILLS=n` and `SEED=n` change how often and with which random numbers. The history of a run that
//! fails is kept; `tidemill-checker` checks it again.
#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use rand::RngExt;
use rand::rngs::StdRng;
use tidemill_broker_process::Broker;
use tidemill_checker::Report;
use tidemill_checker::history::{Call, Recorder, read};
use tidemill_checker::workload::{self, TOPICS, Workload};
use tidemill_crash_tests::trial::{self, Kills};
use tidemill_http_server::api::SealResult;

/// What a run must have done to say anything.
const ACTIVITY: [&str; 17] = [
    "init",
    "send",
    "send in a transaction",
    "copy in a transaction",
    "send offsets",
    "commit",
    "abort",
    "assign",
    "seek",
    "poll",
    "commit offsets",
    "fetch offsets",
    "watermarks",
    "read all",
    "read all, archived",
    "verify",
    "nemesis",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_anomaly_under_kills() {
    let tmp = env!("CARGO_TARGET_TMPDIR");
    trial::try_in(tmp, "checker", 25, |kills, dir| async move { run(kills, &dir).await }).await.unwrap();
}

async fn run(kills: Kills, dir: &Path) -> anyhow::Result<()> {
    let mut broker = started(&dir.join("data")).await?;
    let history = dir.join("history.jsonl");
    let recorder = Recorder::create(&history)?;
    let done = play(kills, &mut broker, &recorder).await;
    recorder.finish()?;
    // What a run that went wrong has seen until then says the most about why.
    let report = Report::of(&read(&history)?);
    println!("{report}");
    done?;
    ensure!(report.anomalies().is_empty(), "{} anomalies", report.anomalies().len());
    for kind in ACTIVITY {
        ensure!(report.counts(kind).ok > 0, "no {kind} succeeded: the run says nothing");
    }
    ensure!(report.counts("commit").failed > 0, "no zombie was refused: the run says nothing of them");
    Ok(())
}

/// Small files and short times, so that everything that happens in days happens in the run.
async fn started(data: &Path) -> anyhow::Result<Broker> {
    let settings = [
        ("wal.segment.bytes", "262144"),
        ("hot.bytes", "2097152"),
        ("journals", "3"),
        ("group.min.session.timeout.ms", "500"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
    ];
    let mut broker = Broker::new(data, &settings)?;
    broker.start().await?;
    for (topic, partitions) in TOPICS {
        let configs = serde_json::json!({"segment.bytes": "262144", "tidemill.archive.max.lag.ms": "3000"});
        let topic = serde_json::json!({"name": topic, "partitions": partitions, "configs": configs});
        let _: serde_json::Value = broker.post("/v1/topics", &topic).await?;
    }
    Ok(broker)
}

async fn play(kills: Kills, broker: &mut Broker, recorder: &Arc<Recorder>) -> anyhow::Result<()> {
    let kafka_addr = broker.kafka_addr.clone();
    let mut clients = Workload::start(&kafka_addr, recorder, kills.seed).await?;
    let nemesis = recorder.process("nemesis");
    let note = |text: &str| {
        nemesis.note(Call::Nemesis(text.to_owned()));
        Ok(())
    };
    let any_topic = |random: &mut StdRng| TOPICS[random.random_range(0..TOPICS.len())].0;
    kills.carry_out(broker, note, 200..2500, any_topic).await?;
    clients.stop_writing().await?;
    workload::wait_until_settled(&kafka_addr, recorder).await?;
    // Readers get the rest, too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    clients.stop_reading().await?;
    read_everything(&kafka_addr, recorder, false).await?;
    for (topic, _) in TOPICS {
        let _: SealResult = broker.post(&format!("/v1/archive/{topic}/seal?wait=true"), &()).await?;
    }
    broker.kill()?;
    broker.start().await?;
    workload::verify(broker, recorder).await?;
    read_everything(&kafka_addr, recorder, true).await?;
    for (topic, _) in TOPICS {
        let label = format!("topic=\"{topic}\"");
        let from = async |source| broker.metric("tidemill_fetch_bytes_total", &[&label, source]).await;
        let (archive, hot) = (from("source=\"archive\"").await?, from("source=\"hot\"").await?);
        ensure!(archive > 0.0 && hot == 0.0, "{topic}: {archive} bytes from the archive, {hot} from the log");
    }
    Ok(())
}

async fn read_everything(kafka_addr: &str, recorder: &Arc<Recorder>, archived: bool) -> anyhow::Result<()> {
    let (addr, history) = (kafka_addr.to_owned(), Arc::clone(recorder));
    tokio::task::spawn_blocking(move || workload::read_everything(&addr, &history, archived)).await??;
    workload::groups_now(kafka_addr, recorder).await
}
