//! What guests log: bounded in size and rate, kept in a ring per function.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

/// Longest line kept; the rest is cut.
pub const MAX_LINE_BYTES: usize = 4 * 1024;
const BURST_LINES: f64 = 200.0;
const LINES_PER_SECOND: f64 = 50.0;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed. What a guest writes to stderr is of this level.
    Error,
    /// Something looks wrong.
    Warn,
    /// Something worth knowing happened. What a guest writes to stdout is of this level.
    Info,
    /// For whoever looks into a problem.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// The level's name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Where an instance's log lines go. Called while the guest runs, so it must not block.
pub trait LogSink: Send + Sync {
    /// Takes a line, at most [`MAX_LINE_BYTES`] and a few bytes of marking long.
    fn line(&self, level: LogLevel, text: &str);
}

/// One kept line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counts the lines of the ring from 0, those that were dropped since included.
    pub sequence: u64,
    /// When it was written.
    pub time: SystemTime,
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// The last lines of a function, all its instances together.
pub struct LogRing {
    capacity: usize,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    next: u64,
    kept: VecDeque<LogLine>,
}

impl LogRing {
    /// A ring that keeps that many lines.
    pub fn new(capacity: usize) -> Self {
        LogRing { capacity: capacity.max(1), lines: Mutex::default() }
    }

    /// The kept lines from `sequence` on, oldest first, `limit` at most.
    pub fn since(&self, sequence: u64, limit: usize) -> Vec<LogLine> {
        let lines = self.lines.lock();
        lines.kept.iter().filter(|line| line.sequence >= sequence).take(limit).cloned().collect()
    }

    /// The last lines, oldest first.
    pub fn tail(&self, count: usize) -> Vec<LogLine> {
        let lines = self.lines.lock();
        lines.kept.iter().skip(lines.kept.len().saturating_sub(count)).cloned().collect()
    }
}

impl LogSink for LogRing {
    fn line(&self, level: LogLevel, text: &str) {
        let mut lines = self.lines.lock();
        if lines.kept.len() >= self.capacity {
            lines.kept.pop_front();
        }
        let sequence = lines.next;
        lines.next += 1;
        let (time, text) = (SystemTime::now(), text.to_owned());
        lines.kept.push_back(LogLine { sequence, time, level, text });
    }
}

/// Thins out a flood and cuts long lines, for one instance.
pub(crate) struct LogGate {
    allowance: f64,
    refilled: Instant,
    suppressed: u64,
}

impl LogGate {
    pub(crate) fn new(now: Instant) -> Self {
        LogGate { allowance: BURST_LINES, refilled: now, suppressed: 0 }
    }

    pub(crate) fn write(&mut self, sink: &dyn LogSink, now: Instant, level: LogLevel, text: &str) {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.allowance = (self.allowance + passed * LINES_PER_SECOND).min(BURST_LINES);
        if self.allowance < 1.0 {
            self.suppressed += 1;
            return;
        }
        self.allowance -= 1.0;
        if self.suppressed > 0 {
            sink.line(LogLevel::Warn, &format!("({} lines were left out)", self.suppressed));
            self.suppressed = 0;
        }
        let text = text.trim_end();
        if text.len() <= MAX_LINE_BYTES {
            sink.line(level, text);
        } else {
            let cut = cut(text, MAX_LINE_BYTES);
            sink.line(level, &format!("{cut}… ({} bytes)", text.len()));
        }
    }
}

/// The first `max` bytes of a text, or a little less so that no character is split.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_ring_keeps_the_last_lines() {
        let ring = LogRing::new(3);
        for n in 0..5 {
            ring.line(LogLevel::Info, &n.to_string());
        }
        let texts = |lines: Vec<LogLine>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts(ring.tail(2)), ["3", "4"]);
        assert_eq!(texts(ring.since(0, 9)), ["2", "3", "4"]);
        assert_eq!(texts(ring.since(3, 1)), ["3"]);
        assert_eq!(ring.tail(9).last().unwrap().sequence, 4);
    }

    #[test]
    fn a_flood_is_thinned_out_and_said_so() {
        let ring = LogRing::new(10_000);
        let start = Instant::now();
        let mut gate = LogGate::new(start);
        for _ in 0..5_000 {
            gate.write(&ring, start, LogLevel::Info, "line");
        }
        assert_eq!(ring.tail(10_000).len(), BURST_LINES as usize);
        gate.write(&ring, start + Duration::from_secs(1), LogLevel::Info, "later");
        let last = ring.tail(2);
        assert_eq!(last[0].text, "(4800 lines were left out)");
        assert_eq!(last[1].text, "later");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let ring = LogRing::new(1);
        LogGate::new(Instant::now()).write(&ring, Instant::now(), LogLevel::Info, &"ü€".repeat(9_999));
        let line = &ring.tail(1)[0].text;
        assert!(line.len() < MAX_LINE_BYTES + 40 && line.ends_with("… (49995 bytes)"), "{line}");
    }
}
