//! The archive format on one thread, beside raw codecs and DuckDB's own Parquet writer.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use tidemill_codec_bench::archive::{self, RawCompressed, bytes_of};
use tidemill_codec_bench::payload::{Content, Size, partition};
use tidemill_records::RecordBatch;

use super::{Effort, Figures};
use crate::report::Who;

const BYTES: usize = 64 << 20;

/// One kind of data, and the rows of its figures.
struct Rows {
    content: Content,
    seal_cpu: &'static str,
    seal_rate: &'static str,
    fetch_cpu: &'static str,
    size: &'static str,
}

const ROWS: [Rows; 3] = [
    Rows {
        content: Content::Events(Size::Large),
        seal_cpu: "codecs.1k.seal.cpu",
        seal_rate: "codecs.1k.seal.rate",
        fetch_cpu: "codecs.1k.fetch.cpu",
        size: "codecs.1k.size",
    },
    Rows {
        content: Content::Events(Size::Small),
        seal_cpu: "codecs.100.seal.cpu",
        seal_rate: "codecs.100.seal.rate",
        fetch_cpu: "codecs.100.fetch.cpu",
        size: "codecs.100.size",
    },
    Rows {
        content: Content::Noise,
        seal_cpu: "codecs.noise.seal.cpu",
        seal_rate: "codecs.noise.seal.rate",
        fetch_cpu: "codecs.noise.fetch.cpu",
        size: "codecs.noise.size",
    },
];

pub(super) fn measure(dir: &Path, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    for rows in ROWS {
        let batches = partition(rows.content, BYTES)?;
        let object = ours_and_raw(&rows, &batches, effort, figures)?;
        let path = dir.join("object.parquet");
        std::fs::write(&path, &object.bytes)?;
        duckdb(&rows, &path, bytes_of(&batches), effort, figures)?;
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// CPU and clock time of one piece of work, done several times.
#[derive(Default)]
struct Spent {
    cpu_s: f64,
    elapsed_s: f64,
    times: f64,
}

impl Spent {
    fn on<T>(&mut self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (cpu_s, started) = (thread_cpu_s()?, Instant::now());
        let result = work()?;
        self.elapsed_s += started.elapsed().as_secs_f64();
        self.cpu_s += thread_cpu_s()? - cpu_s;
        self.times += 1.0;
        Ok(result)
    }

    fn cpu_s_per_gb(&self, bytes: usize) -> f64 {
        self.cpu_s / self.times / (bytes as f64 / 1e9)
    }

    fn mb_per_s(&self, bytes: usize) -> f64 {
        bytes as f64 / 1e6 * self.times / self.elapsed_s
    }
}

/// In turn, so that a change of the machine's mood meets both.
fn ours_and_raw(
    rows: &Rows,
    batches: &[RecordBatch],
    effort: Effort,
    figures: &mut Figures<'_>,
) -> anyhow::Result<archive::Object> {
    let [mut seal, mut compress, mut fetch, mut decompress] = [(); 4].map(|()| Spent::default());
    let bytes = bytes_of(batches);
    let (mut object, mut compressed) = (archive::seal(batches, Vec::new())?, RawCompressed::default());
    compressed.fill(batches)?;
    let started = Instant::now();
    while started.elapsed() < effort.load {
        compress.on(|| compressed.fill(batches))?;
        let memory = object.into_memory();
        object = seal.on(|| archive::seal(batches, memory))?;
        decompress.on(|| compressed.read(batches))?;
        let fetched = fetch.on(|| archive::fetch_all(&object))?;
        ensure!(fetched == bytes, "{fetched} of {bytes} bytes came back");
    }
    figures.add(rows.seal_cpu, seal.cpu_s_per_gb(bytes))?;
    figures.add_of(Who::Raw, rows.seal_cpu, compress.cpu_s_per_gb(bytes))?;
    figures.add(rows.seal_rate, seal.mb_per_s(bytes))?;
    figures.add_of(Who::Raw, rows.seal_rate, compress.mb_per_s(bytes))?;
    figures.add(rows.fetch_cpu, fetch.cpu_s_per_gb(bytes))?;
    figures.add_of(Who::Raw, rows.fetch_cpu, decompress.cpu_s_per_gb(bytes))?;
    figures.add(rows.size, percent(object.bytes.len(), bytes))?;
    figures.add_of(Who::Raw, rows.size, percent(compressed.bytes(), bytes))?;
    Ok(object)
}

/// What `bench/duckdb_writer.py` prints.
#[derive(serde::Deserialize)]
struct Copied {
    cpu_s: f64,
    elapsed_s: f64,
    times: f64,
    file_bytes: usize,
}

fn duckdb(
    rows: &Rows,
    object: &Path,
    bytes: usize,
    effort: Effort,
    figures: &mut Figures<'_>,
) -> anyhow::Result<()> {
    let python = std::env::var("BENCH_PYTHON")
        .context("BENCH_PYTHON does not name a Python with duckdb; bench/run.sh sets it")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("duckdb_writer.py");
    let output = Command::new(python)
        .arg(script)
        .arg(object)
        .arg(effort.load.as_secs().to_string())
        .output()
        .context("Python cannot be started")?;
    ensure!(output.status.success(), "DuckDB: {}", String::from_utf8_lossy(&output.stderr).trim());
    let Copied { cpu_s, elapsed_s, times, file_bytes } = serde_json::from_slice(&output.stdout)?;
    let copied = Spent { cpu_s, elapsed_s, times };
    figures.add_of(Who::DuckDb, rows.seal_cpu, copied.cpu_s_per_gb(bytes))?;
    figures.add_of(Who::DuckDb, rows.seal_rate, copied.mb_per_s(bytes))?;
    figures.add_of(Who::DuckDb, rows.size, percent(file_bytes, bytes))
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// CPU time of this thread so far, in seconds.
fn thread_cpu_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: f64 = stat.split_whitespace().next().context("an empty schedstat")?.parse()?;
    Ok(nanos / 1e9)
}
