//! Kafka's own programs for measuring, which a Kafka user knows.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, ensure};

use super::{Effort, Figures};
use crate::peer::{Peer, java};

const MEMORY: [&str; 1] = ["-Xmx512m"];
const RECORD_BYTES: f64 = 1024.0;
/// So many for each second that a measurement should take: about what the Java producer can send beside a broker on two
/// cores.
const RECORDS_PER_SECOND: u64 = 50_000;
/// Which do not count: Java compiles meanwhile.
const WARM_UP_RECORDS: u64 = 50_000;
const SYNCHRONOUS: &str = "5000";

pub(super) fn measure(peer: &mut Peer, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for topic in ["tools", "tools-end-to-end"] {
        peer.create(topic, 1)?;
    }
    let records = (WARM_UP_RECORDS + RECORDS_PER_SECOND * effort.load.as_secs()).to_string();
    produce(peer, &records, figures)?;
    consume(peer, &records, figures)?;
    end_to_end(peer, figures)
}

/// Its last line is "500000 steady state records sent, 98231.8 records/sec (95.93 MB/sec), 12.1 ms avg latency, 180.00 ms
/// max latency, 3 ms 50th, 60 ms 95th, 120 ms 99th, 170 ms 99.9th."
fn produce(peer: &Peer, records: &str, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let warm_up = WARM_UP_RECORDS.to_string();
    let mut arguments = vec!["--topic", "tools", "--num-records", records, "--record-size", "1024"];
    arguments.extend(["--throughput", "-1", "--warmup-records", &warm_up, "--bootstrap-server", peer.addr()]);
    let said = run(peer, "ProducerPerformance", &arguments)?;
    let line = said.lines().rfind(|line| line.contains("records sent")).unwrap_or_default();
    figures.add("tools.produce.rate", number_before(line, " records/sec")? * RECORD_BYTES / 1e6)?;
    figures.add("tools.produce.p50", number_before(line, " ms 50th")?)?;
    figures.add("tools.produce.p99", number_before(line, " ms 99th")?)
}

/// Its last line has, with commas between them: start, end, MB, MB/s, records, records/s, and then ms of rebalancing, ms
/// of fetching, MB/s and records/s while fetching.
fn consume(peer: &Peer, records: &str, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let mut arguments = vec!["--bootstrap-server", peer.addr(), "--topic", "tools", "--num-records", records];
    arguments.extend(["--timeout", "60000"]);
    let said = run(peer, "ConsumerPerformance", &arguments)?;
    let line = said.trim().lines().last().unwrap_or_default();
    let rate = line.rsplit(", ").next().and_then(|rate| rate.parse::<f64>().ok());
    let rate = rate.with_context(|| format!("no rate in “{line}”"))?;
    figures.add("tools.consume.rate", rate * RECORD_BYTES / 1e6)
}

/// Prints "Avg latency: 0.7531 ms" and "Percentiles: 50th = 0, 99th = 3, 99.9th = 9".
fn end_to_end(peer: &Peer, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let mut arguments = vec!["--bootstrap-server", peer.addr(), "--topic", "tools-end-to-end"];
    arguments.extend(["--num-records", SYNCHRONOUS, "--producer-acks", "all", "--record-size", "1024"]);
    let said = run(peer, "EndToEndLatency", &arguments)?;
    figures.add("tools.e2e.mean", number_after(&said, "Avg latency: ")?)?;
    figures.add("tools.e2e.p99", number_after(&said, "99th = ")?)
}

/// Runs one of Kafka's tools; answers what it printed, which is in its log as well.
fn run(peer: &Peer, tool: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let path = peer.log(tool);
    let mut log = File::create(&path)?;
    let mut command = java(&MEMORY, &format!("org.apache.kafka.tools.{tool}"))?;
    let output = command.args(arguments).stderr(log.try_clone()?).output()?;
    log.write_all(&output.stdout)?;
    ensure!(output.status.success(), "{tool} ended with {}; see {}", output.status, path.display());
    Ok(String::from_utf8(output.stdout)?)
}

fn number_before(text: &str, mark: &str) -> anyhow::Result<f64> {
    let before = text.split(mark).next().filter(|before| before.len() < text.len());
    let number = before.and_then(|before| before.rsplit([' ', ',']).next()?.parse().ok());
    number.with_context(|| format!("no number before “{mark}” in “{text}”"))
}

fn number_after(text: &str, mark: &str) -> anyhow::Result<f64> {
    let after = text.split_once(mark).map(|(_, after)| after);
    let number = after.and_then(|after| after.split([' ', ',', '\n']).next()?.parse().ok());
    number.with_context(|| format!("no number after “{mark}” in “{text}”"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_the_tools_print_them() -> anyhow::Result<()> {
        let line =
            "100 records sent, 9.5 records/sec (0.01 MB/sec), 3.2 ms avg latency, 1 ms 50th, 7 ms 99th.";
        assert_eq!(number_before(line, " records/sec")?, 9.5);
        assert_eq!(number_before(line, " ms 99th")?, 7.0);
        assert!(number_before(line, " ms 95th").is_err());
        let lines = "Avg latency: 0.7531 ms\n\nPercentiles: 50th = 0, 99th = 3, 99.9th = 9\n";
        assert_eq!(number_after(lines, "Avg latency: ")?, 0.7531);
        assert_eq!(number_after(lines, "99th = ")?, 3.0);
        Ok(())
    }
}
