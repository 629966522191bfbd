//! Time that each task takes: `cargo bench -p tidemill-codec-bench`.

use criterion::{Criterion, Throughput};
use tidemill_codec_bench::TASKS;

// What the broker uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codecs");
    for (name, prepare) in TASKS {
        let mut task = match prepare() {
            Ok(task) => task,
            Err(error) => return eprintln!("{name} cannot be prepared: {error:#}"),
        };
        group.throughput(Throughput::Bytes(task.bytes as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| (task.run)()));
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    codecs(&mut criterion);
    criterion.final_summary();
}
