//! How fast something happens, over the last few seconds, and how long to wait for it to be slow
//! enough again. Pure: time comes in. The arithmetic is Kafka's: a rate is taken over a number of
//! samples, never over less than all but one of them, so that bursts are allowed.

use std::collections::VecDeque;

/// Over how many samples of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) samples: u64,
    pub(crate) sample_ms: u64,
}

/// What happened in one sample.
#[derive(Clone, Copy, Debug)]
struct Sample {
    began_ms: u64,
    amount: f64,
}

/// A rate that is measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<Sample>,
}

impl Rate {
    /// So much happened now. Negative amounts take back.
    pub(crate) fn record(&mut self, window: Window, now_ms: u64, amount: f64) {
        self.forget(window, now_ms);
        match self.samples.back_mut().filter(|last| now_ms < last.began_ms + window.sample_ms) {
            Some(last) => last.amount += amount,
            None => self.samples.push_back(Sample { began_ms: now_ms, amount }),
        }
    }

    /// How long nothing should happen for the rate to fall to a limit, in units per second.
    pub(crate) fn wait_ms(&mut self, window: Window, now_ms: u64, limit: f64) -> u64 {
        self.forget(window, now_ms);
        let Some(first) = self.samples.front() else {
            return 0;
        };
        let elapsed_ms = now_ms.saturating_sub(first.began_ms);
        let full = elapsed_ms / window.sample_ms;
        let missing = window.samples.saturating_sub(1).saturating_sub(full);
        let window_ms = (elapsed_ms + missing * window.sample_ms).max(1) as f64;
        let total: f64 = self.samples.iter().map(|sample| sample.amount).sum();
        let rate = total * 1000.0 / window_ms;
        if rate <= limit { 0 } else { ((rate - limit) / limit * window_ms).round() as u64 }
    }

    /// Whether nothing happened for so long that it may be forgotten.
    pub(crate) fn is_over(&self, window: Window, now_ms: u64) -> bool {
        self.samples.back().is_none_or(|last| last.began_ms + window.samples * window.sample_ms <= now_ms)
    }

    fn forget(&mut self, window: Window, now_ms: u64) {
        let length_ms = window.samples * window.sample_ms;
        while self.samples.front().is_some_and(|first| first.began_ms + length_ms <= now_ms) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn a_burst_is_allowed_and_then_paid_for() {
        let mut rate = Rate::default();
        rate.record(WINDOW, 0, 1000.0);
        assert_eq!(rate.wait_ms(WINDOW, 0, 100.0), 0, "ten seconds' worth at once");
        rate.record(WINDOW, 0, 500.0);
        assert_eq!(rate.wait_ms(WINDOW, 0, 100.0), 5_000);
        rate.record(WINDOW, 0, -500.0);
        assert_eq!(rate.wait_ms(WINDOW, 0, 100.0), 0, "taken back");
    }

    #[test]
    fn whoever_waits_as_long_as_told_keeps_to_the_limit() {
        let (mut rate, mut now_ms, mut sent) = (Rate::default(), 0, 0.0);
        while now_ms < 600_000 {
            rate.record(WINDOW, now_ms, 70.0);
            sent += 70.0;
            now_ms += 10 + rate.wait_ms(WINDOW, now_ms, 100.0);
        }
        let per_second = sent * 1000.0 / now_ms as f64;
        assert!((90.0..=110.0).contains(&per_second), "{per_second}");
        assert!(rate.samples.len() <= 11);
        assert!(!rate.is_over(WINDOW, now_ms) && rate.is_over(WINDOW, now_ms + 60_000));
    }
}
