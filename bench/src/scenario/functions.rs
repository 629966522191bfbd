//! How many records go through a guest for each second of CPU time that the whole process takes: the guest, copying in
//! and out, and the host's check of what came back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tidemill_broker_process::{Usage, guests};
use tidemill_codec_bench::payload::{self, Size};
use tidemill_functions::{
    AllowList, BatchFacts, Host, HostOptions, Instance, InstanceOptions, Limits, LogRing, Module,
};

use super::{Effort, Figures};

const GUEST: &str = "tests/guests/transform";
const RECORDS: u32 = 5_000;
/// The guest's modes, which do what their rows say.
const MODES: [(&str, &str); 3] = [("copy", "guest.copy"), ("encode", "guest.encode"), ("json", "guest.json")];

pub(super) fn measure(_: &Path, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let wasm = Bytes::from(guests::build(GUEST)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure_guest(wasm, effort, figures))
}

async fn measure_guest(wasm: Bytes, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let host = Host::new(HostOptions { workers: Some(1), ..HostOptions::default() })?;
    let sha256 = host.inspect(&wasm)?.sha256;
    let started = Instant::now();
    let module = host.load(sha256, wasm).await?;
    figures.add("guest.compile", started.elapsed().as_secs_f64() * 1e3)?;
    figures.add("guest.call", one_record(&module, effort.load / 3, false).await?)?;
    figures.add("guest.instance", one_record(&module, effort.load / 3, true).await?)?;
    for (mode, row) in MODES {
        figures.add(row, throughput(&module, mode, effort.load).await?)?;
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

/// Microseconds of a call of one record, in the same instance or each time in a new one.
async fn one_record(module: &Module, lasting: Duration, anew: bool) -> anyhow::Result<f64> {
    let mut instance = instance(module, "count");
    let (facts, section) = batch(1)?;
    let (started, mut calls) = (Instant::now(), 0_u32);
    while started.elapsed() < lasting {
        instance.transform(facts.clone(), section.clone()).await?;
        if anew {
            instance.unload();
        }
        calls += 1;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

/// Millions of records for each second of CPU time.
async fn throughput(module: &Module, mode: &str, lasting: Duration) -> anyhow::Result<f64> {
    let mut instance = instance(module, mode);
    let (facts, section) = batch(RECORDS)?;
    instance.transform(facts.clone(), section.clone()).await?;
    let (started, before, mut calls) = (Instant::now(), cpu_s()?, 0_u32);
    while started.elapsed() < lasting {
        instance.transform(facts.clone(), section.clone()).await?;
        calls += 1;
    }
    Ok(f64::from(calls) * f64::from(RECORDS) / 1e6 / (cpu_s()? - before))
}

/// CPU time of this process so far.
fn cpu_s() -> anyhow::Result<f64> {
    Ok(Usage::of(std::process::id())?.cpu_s)
}

/// Events of 100 bytes; half of them pass the filter.
fn batch(record_count: u32) -> anyhow::Result<(BatchFacts, Bytes)> {
    let mut random = StdRng::seed_from_u64(1);
    let values =
        (0..record_count).map(|number| (number, payload::event(&mut random, number as usize, Size::Small)));
    let batch = payload::batch_of(0, values)?;
    let facts = BatchFacts {
        topic: "bench".into(),
        partition: 0,
        base_offset: 0,
        base_timestamp: batch.header().base_timestamp,
        log_append_time: None,
        record_count,
    };
    Ok((facts, Bytes::copy_from_slice(batch.records_section())))
}
