//! The physical limit of an acknowledged produce: one write and one fdatasync, as fast as they go and
//! at the pace of the latency scenario. And what the machine itself adds: how late a thread that only
//! sleeps is woken meanwhile. A virtual machine's host may wake an idle core milliseconds late, and
//! whoever waits for that core, for the disk or for a message, waits as long.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::latency::REQUESTS_PER_SECOND;
use super::{Effort, Figures};
use crate::load::latency::Latencies;
use crate::load::paced::Pace;
use crate::report::Who;

const SAMPLES: u64 = 3000;

/// What 10 records of 1 KiB and what is around them take, each millisecond.
const PACED_BYTES: u64 = 12 << 10;

const SLEEP: Duration = Duration::from_millis(1);

/// Writes and syncs where the brokers' data will be.
pub(super) fn measure(dir: &Path, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let path = dir.join("raw");
    let mut back_to_back = appended(&File::create(&path)?)?;
    figures.add_percentiles(Who::Raw, &mut back_to_back, &[("raw.p50", 0.5), ("raw.p99", 0.99)])?;
    let (mut paced, mut sleeping) = paced(&File::create(&path)?, effort.latency)?;
    let rows = [("raw.paced.p50", 0.5), ("raw.paced.p99", 0.99), ("raw.paced.p999", 0.999)];
    figures.add_percentiles(Who::Raw, &mut paced, &rows)?;
    let rows = [("raw.sleep.p50", 0.5), ("raw.sleep.p999", 0.999), ("raw.sleep.max", 1.0)];
    figures.add_percentiles(Who::Raw, &mut sleeping, &rows)?;
    Ok(std::fs::remove_file(path)?)
}

/// 1 KiB at the end of a file and a sync, again and again.
fn appended(file: &File) -> anyhow::Result<Latencies> {
    let block = [7_u8; 1024];
    let mut latencies = Latencies::default();
    for index in 0..SAMPLES {
        let started = Instant::now();
        file.write_all_at(&block, index * 1024)?;
        file.sync_data()?;
        latencies.add(started.elapsed());
    }
    Ok(latencies)
}

/// The latency scenario's bytes at its pace, over blocks that were written before. Latency counts from
/// when a write was due, as it does there. And how late a thread that sleeps was woken meanwhile.
fn paced(file: &File, duration: Duration) -> anyhow::Result<(Latencies, Latencies)> {
    let block = vec![7_u8; PACED_BYTES as usize];
    let places = (0..duration.as_secs() * u64::from(REQUESTS_PER_SECOND)).map(|index| index * PACED_BYTES);
    for place in places.clone() {
        file.write_all_at(&block, place)?;
    }
    file.sync_all()?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| lateness(&is_over));
        let mut latencies = Latencies::default();
        let written =
            Pace::new(REQUESTS_PER_SECOND, duration).turns().zip(places).try_for_each(|(due, place)| {
                file.write_all_at(&block, place)?;
                file.sync_data()?;
                latencies.add(due.elapsed());
                Ok::<_, std::io::Error>(())
            });
        is_over.store(true, Ordering::Relaxed);
        let lateness = sleeper.join().map_err(|_| anyhow!("the sleeper panicked"))?;
        written?;
        Ok((latencies, lateness))
    })
}

/// How much longer than asked for each sleep took.
fn lateness(is_over: &AtomicBool) -> Latencies {
    let mut late = Latencies::default();
    while !is_over.load(Ordering::Relaxed) {
        let started = Instant::now();
        std::thread::sleep(SLEEP);
        late.add(started.elapsed().saturating_sub(SLEEP));
    }
    late
}
