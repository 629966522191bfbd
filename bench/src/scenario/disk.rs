//! The most that the disk takes in when each write is on it before it is answered: large ones past the page cache, two
//! at a time. First over space that a new file has only reserved, as a log that grows has it, where a file system has to
//! note with each sync what is written now; then over the same blocks again. A broker that answers after fsync cannot take
//! in more. It is measured right before the brokers produce, as a virtual disk changes within minutes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use tidemill_disk::HugePage;

use super::{Effort, Figures};
use crate::report::Who;

/// More at once, or larger ones, are not much faster.
const WRITERS: usize = 2;
const WRITE_BYTES: usize = 512 << 10;
/// What is reserved: a disk that fills it sooner has shown its speed, too.
const FILE_BYTES: u64 = 4 << 30;

pub(super) fn measure(dir: &Path, effort: Effort, figures: &mut Figures<'_>) -> anyhow::Result<()> {
    let path = dir.join("disk");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(&path)
        .with_context(|| format!("opening {} past the page cache", path.display()))?;
    fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES).context("reserving space")?;
    file.sync_all()?;
    let reserved = write(&file, FILE_BYTES, effort.load)?;
    figures.add_of(Who::Raw, "disk.reserved", reserved.mb_per_s())?;
    let again = write(&file, reserved.bytes, effort.load)?;
    figures.add_of(Who::Raw, "disk.written", again.mb_per_s())?;
    Ok(std::fs::remove_file(path)?)
}

/// What was written, and how long it took.
struct Written {
    bytes: u64,
    took: Duration,
}

impl Written {
    fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.took.as_secs_f64()
    }
}

/// Writes the file's first `upto` bytes, once at most and no longer than `most`.
fn write(file: &File, upto: u64, most: Duration) -> anyhow::Result<Written> {
    let mut noise = HugePage::map().context("memory for writing past the page cache")?;
    rand::fill(&mut noise); // which no disk makes smaller
    let block = noise.get(..WRITE_BYTES).context("a write is larger than a huge page")?;
    let (next, written) = (AtomicU64::new(0), AtomicU64::new(0));
    let started = Instant::now();
    let one = || {
        while started.elapsed() < most {
            let place = next.fetch_add(WRITE_BYTES as u64, Ordering::Relaxed);
            if place >= upto {
                break;
            }
            file.write_all_at(block, place)?;
            file.sync_data()?;
            written.fetch_add(WRITE_BYTES as u64, Ordering::Relaxed);
        }
        Ok::<_, io::Error>(())
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(one)).collect();
        writers.into_iter().try_for_each(|writer| {
            writer.join().map_err(|_| anyhow!("a writer panicked"))?.context("writing past the page cache")
        })
    })?;
    Ok(Written { bytes: written.into_inner(), took: started.elapsed() })
}
