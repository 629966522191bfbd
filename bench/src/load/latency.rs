//! Durations in microseconds, and where they lie.

use std::time::Duration;

/// Durations of one measurement.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<f64>,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        self.micros.push(duration.as_secs_f64() * 1e6);
    }

    /// Adds another measurement's.
    pub fn absorb(&mut self, other: Latencies) {
        self.micros.extend(other.micros);
    }

    /// The duration that this share (0 to 1) does not exceed; 0 if there is none.
    pub fn percentile(&mut self, share: f64) -> f64 {
        self.micros.sort_by(f64::total_cmp);
        let last = self.micros.len().saturating_sub(1);
        let index = ((self.micros.len() as f64 * share) as usize).min(last);
        self.micros.get(index).copied().unwrap_or_default()
    }
}
