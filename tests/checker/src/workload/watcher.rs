//! Looks at the ends of partitions and at groups' positions, in single requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tidemill_client::{Cluster, Connection, fetch_request};
use tidemill_crash_tests::groups;

use super::{GROUPS, Run, all_partitions, partitions};
use crate::history::{Answer, Call, Partition, Process, Recorder, Watermarks};

const PAUSE: Duration = Duration::from_millis(40);
/// Far longer than any transaction's timeout.
const SETTLED: Duration = Duration::from_secs(60);

/// Watches until told to stop.
pub(super) async fn work(run: Arc<Run>) {
    let process = run.process("watcher");
    let mut ends = BTreeMap::new();
    while run.is_reading() {
        // The broker may be away; whatever was asked then stays without an answer.
        if let Ok(cluster) = Cluster::connect(run.kafka_addr(), "watcher").await {
            while run.is_reading() && look_around(cluster.bootstrap(), &process, &mut ends).await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_around(
    connection: &Connection,
    process: &Process,
    ends: &mut BTreeMap<Partition, Watermarks>,
) -> anyhow::Result<()> {
    for partition in all_partitions() {
        let from = ends.get(&partition).map_or(0, |ends: &Watermarks| ends.last_stable_offset);
        let seen = watermarks(connection, process, &partition, from).await?;
        ends.insert(partition, seen);
    }
    look_at_groups(connection, process).await
}

/// High watermark and last stable offset in one answer, that of a committed reader's fetch.
async fn watermarks(
    connection: &Connection,
    process: &Process,
    partition: &Partition,
    from: i64,
) -> anyhow::Result<Watermarks> {
    let open = process.invoke(Call::Watermarks { partition: partition.clone() });
    let request = fetch_request(&partition.0, partition.1, from, 1).with_isolation_level(1);
    let answer = connection.call(&request, 12).await?;
    let part = answer.responses.first().and_then(|topic| topic.partitions.first());
    let part = part.context("no partition in the answer")?;
    if part.error_code != 0 {
        open.failed(tidemill_client::kafka_error_name(part.error_code));
        bail!("fetch {partition}: {}", part.error_code);
    }
    let seen =
        Watermarks { high_watermark: part.high_watermark, last_stable_offset: part.last_stable_offset };
    open.ok(Answer::Watermarks(seen));
    Ok(seen)
}

async fn look_at_groups(connection: &Connection, process: &Process) -> anyhow::Result<()> {
    for (group, topics) in GROUPS {
        for partition in partitions(topics) {
            let open = process.invoke(Call::FetchOffsets { group: group.to_owned() });
            match groups::position(connection, group, &partition.0, partition.1).await? {
                None => open.failed("a transaction is open that may change it"),
                // -1 as well, if the broker knows of none: every group began with a position.
                Some(offset) => open.ok(Answer::Positions(vec![(partition, offset)])),
            }
        }
    }
    Ok(())
}

/// Where groups stand when nobody moves them any more.
///
/// # Errors
/// If the broker does not answer.
pub async fn groups_now(kafka_addr: &str, recorder: &Arc<Recorder>) -> anyhow::Result<()> {
    let cluster = Cluster::connect(kafka_addr, "watcher").await?;
    look_at_groups(cluster.bootstrap(), &recorder.process("watcher")).await
}

/// Waits until no transaction is open any more.
///
/// # Errors
/// If one stays open much longer than its timeout allows: it hangs.
pub async fn wait_until_settled(kafka_addr: &str, recorder: &Arc<Recorder>) -> anyhow::Result<()> {
    let started = Instant::now();
    let process = recorder.process("watcher");
    let cluster = Cluster::connect(kafka_addr, "watcher").await?;
    for partition in all_partitions() {
        loop {
            let seen = watermarks(cluster.bootstrap(), &process, &partition, 0).await?;
            if seen.last_stable_offset == seen.high_watermark {
                break;
            }
            if started.elapsed() > SETTLED {
                bail!("hanging-transaction: {partition} is stable up to {seen:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
