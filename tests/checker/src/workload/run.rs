//! What all clients of a run share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::history::{Process, Recorder};

/// One run of the workload.
pub struct Run {
    kafka_addr: String,
    recorder: Arc<Recorder>,
    seed: u64,
    values: AtomicU64,
    transactions: AtomicU64,
    writing: AtomicBool,
    reading: AtomicBool,
}

impl Run {
    /// A run against a broker; the seed decides what clients do, though not when.
    pub fn new(kafka_addr: &str, recorder: &Arc<Recorder>, seed: u64) -> Self {
        Self {
            kafka_addr: kafka_addr.to_owned(),
            recorder: Arc::clone(recorder),
            seed,
            values: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            writing: AtomicBool::new(true),
            reading: AtomicBool::new(true),
        }
    }

    /// Where the broker is.
    pub fn kafka_addr(&self) -> &str {
        &self.kafka_addr
    }

    /// A client that is new in the history.
    pub fn process(&self, role: &str) -> Process {
        self.recorder.process(role)
    }

    /// Random numbers of one client.
    pub fn random(&self, role: &str, number: u64) -> StdRng {
        let role = u64::from(crc32c::crc32c(role.as_bytes()));
        StdRng::seed_from_u64(self.seed ^ (role << 32) ^ number)
    }

    /// A value that nobody has sent yet.
    pub fn next_value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for a transaction.
    pub fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether clients may still write.
    pub fn is_writing(&self) -> bool {
        self.writing.load(Ordering::Relaxed)
    }

    /// Whether clients may still read.
    pub fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    /// Tells writers to stop.
    pub fn stop_writing(&self) {
        self.writing.store(false, Ordering::Relaxed);
    }

    /// Tells readers to stop.
    pub fn stop_reading(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }
}

/// Lets a client's thread rest for up to so many milliseconds.
pub(super) fn rest(random: &mut StdRng, most_ms: u64) {
    std::thread::sleep(Duration::from_millis(random.random_range(0..=most_ms)));
}
