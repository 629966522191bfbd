//! How many records go through a guest for each second of CPU time that the whole process takes: the guest, copying in
//! and out, and the host's check of what came back. On Linux.
//!
//! ```sh
//! cargo run --release -p tidemill-functions --example throughput -- "$(scripts/build-guest.sh tests/guests/transform)"
//! ```

use bytes::Bytes;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_functions::{
    AllowList, BatchFacts, Host, HostOptions, Instance, InstanceOptions, Limits, LogRing, Module,
};
use tidemill_records::BatchBuilder;

const RECORDS: u32 = 5_000;
const MEASURE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: throughput GUEST_TRANSFORM.wasm")?;
    let bytes = Bytes::from(std::fs::read(path)?);
    let host = Host::new(HostOptions { workers: Some(1), ..HostOptions::default() })?;
    let sha256 = host.inspect(&bytes)?.sha256;
    let start = Instant::now();
    let module = host.load(sha256, bytes).await?;
    println!("compile              {:>8.0} ms", start.elapsed().as_secs_f64() * 1e3);
    instantiation(&module).await?;
    for (mode, what) in
        [("copy", "identity, copied"), ("encode", "identity, re-encoded"), ("json", "serde_json filter")]
    {
        throughput(&module, mode, what).await?;
    }
    Ok(())
}

fn instance(module: &Module, mode: &str) -> Instance {
    module.instantiate(InstanceOptions {
        config: Arc::new(BTreeMap::from([("mode".to_owned(), mode.to_owned())])),
        limits: Limits::default(),
        allow_http: Arc::new(AllowList::default()),
        log: Arc::new(LogRing::new(100)),
    })
}

/// A new instance and a call of one record, against a call alone.
async fn instantiation(module: &Module) -> Result<(), Box<dyn Error>> {
    let mut instance = instance(module, "count");
    let (facts, section) = batch(1);
    for (unload, what) in [(false, "call of one record"), (true, "  with a new instance")] {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < MEASURE / 3 {
            instance.transform(facts.clone(), section.clone()).await?;
            if unload {
                instance.unload();
            }
            calls += 1;
        }
        println!("{what:<22} {:>6.1} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
    Ok(())
}

async fn throughput(module: &Module, mode: &str, what: &str) -> Result<(), Box<dyn Error>> {
    let mut instance = instance(module, mode);
    let (facts, section) = batch(RECORDS);
    instance.transform(facts.clone(), section.clone()).await?;
    let (start, before, mut calls) = (Instant::now(), cpu_seconds()?, 0u32);
    while start.elapsed() < MEASURE {
        instance.transform(facts.clone(), section.clone()).await?;
        calls += 1;
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - before);
    let records = f64::from(calls) * f64::from(RECORDS);
    let bytes = f64::from(calls) * section.len() as f64;
    println!(
        "{what:<20} {:>8.2} M records per CPU second, {:.0} MB ({:.2} M per second of the clock)",
        records / cpu / 1e6,
        bytes / cpu / 1e6,
        records / wall / 1e6
    );
    Ok(())
}

/// CPU time of this process so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let schedstat = std::fs::read_dir("/proc/self/task")?
        .map(|task| std::fs::read_to_string(task?.path().join("schedstat")))
        .collect::<Result<Vec<_>, _>>()?;
    let nanos = |stat: &String| stat.split(' ').next()?.parse::<f64>().ok();
    Ok(schedstat.iter().filter_map(nanos).sum::<f64>() / 1e9)
}

/// Records of about 100 bytes of JSON; half of them pass the filter.
fn batch(record_count: u32) -> (BatchFacts, Bytes) {
    let mut builder = BatchBuilder::new(tidemill_records::BatchFacts::default());
    for n in 0..record_count {
        let value = format!(
            r#"{{"id":{n},"user":"user-{:06}","amount":{}.25,"note":"some words to make it longer","flag":true}}"#,
            n * 7919 % 1_000_000,
            n * 37 % 100
        );
        let delta = i32::try_from(n).unwrap_or(i32::MAX);
        builder.push(delta, i64::from(n), Some(&n.to_be_bytes()), Some(value.as_bytes()), &[]);
    }
    let facts = BatchFacts {
        topic: "bench".into(),
        partition: 0,
        base_offset: 0,
        base_timestamp: 0,
        log_append_time: None,
        record_count,
    };
    (facts, Bytes::copy_from_slice(builder.section()))
}
