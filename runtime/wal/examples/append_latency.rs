//! Latency of appending and syncing 1 KiB, beside that of a bare write and `fdatasync` to files that
//! grow and that do not, on the disk of the given directory.
//!
//! `cargo run -p tidemill-wal --example append_latency -- DIR`

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidemill_disk::{Disk, RealDisk};
use tidemill_wal::{EntryFrame, LogId, Options, Space, Wal};

type Failure = Box<dyn std::error::Error>;

const APPENDS: u64 = 1_000;
const PAYLOAD: [u8; 1024] = [7; 1024];

fn main() -> Result<(), Failure> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("which directory?")?);
    RealDisk.create_dir_all(&dir)?;
    for round in 1..=3 {
        println!("round {round}");
        report("bare, growing file", bare(&dir, 0)?);
        report("bare, allocated file", bare(&dir, 8 << 20)?);
        report("log, growing file", log(&dir, 1)?);
        report("log, allocating ahead", log(&dir, Options::default().allocate_bytes)?);
    }
    Ok(())
}

fn report(name: &str, mut micros: Vec<u128>) {
    micros.sort_unstable();
    let at = |percent: usize| micros.get(micros.len() * percent / 100).copied().unwrap_or_default();
    println!("{name:>24}: p50 {:>5} µs   p90 {:>5} µs   p99 {:>5} µs", at(50), at(90), at(99));
}

fn bare(dir: &Path, allocate: u64) -> Result<Vec<u128>, Failure> {
    let path = dir.join("bare");
    let file = RealDisk.create(&path)?;
    file.allocate(allocate)?;
    file.sync_data()?;
    let mut micros = Vec::new();
    for n in 0..APPENDS {
        let start = Instant::now();
        file.write_all_at(&[IoSlice::new(&PAYLOAD)], n * PAYLOAD.len() as u64)?;
        file.sync_data()?;
        micros.push(start.elapsed().as_micros());
    }
    RealDisk.remove(&path)?;
    Ok(micros)
}

fn log(dir: &Path, allocate_bytes: u64) -> Result<Vec<u128>, Failure> {
    let dir = dir.join("log");
    let options = Options { allocate_bytes, ..Options::default() };
    let (wal, _) = Wal::open(Arc::new(RealDisk), &dir, options)?;
    let mut micros = Vec::new();
    for index in 1..=APPENDS {
        let log_id = LogId { term: 1, node_id: 1, index };
        let parts = vec![Bytes::from_static(&PAYLOAD)];
        let start = Instant::now();
        wal.append(vec![EntryFrame { log_id, parts }], Space::Normal)?;
        wal.sync()?;
        micros.push(start.elapsed().as_micros());
    }
    drop(wal);
    std::fs::remove_dir_all(&dir)?;
    Ok(micros)
}
