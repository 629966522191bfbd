//! What one instance logs: through the `log` import, stdout and stderr, all through one gate.

use crate::log::{LogGate, LogLevel, LogSink, MAX_LINE_BYTES, cut};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// How much a guest may write to stdout or stderr at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The log of one instance.
pub(crate) struct GuestLog {
    sink: Arc<dyn LogSink>,
    gate: Mutex<LogGate>,
    /// The last line written to stderr: a Rust guest's panic message.
    last_words: Mutex<String>,
}

impl GuestLog {
    pub(crate) fn new(sink: Arc<dyn LogSink>) -> Self {
        let gate = Mutex::new(LogGate::new(Instant::now()));
        GuestLog { sink, gate, last_words: Mutex::default() }
    }

    pub(crate) fn write(&self, level: LogLevel, text: &str) {
        self.gate.lock().write(self.sink.as_ref(), Instant::now(), level, text);
    }

    /// Takes what a guest wrote to stderr last, to explain a trap.
    pub(crate) fn take_last_words(&self) -> String {
        std::mem::take(&mut self.last_words.lock())
    }

    fn stderr_line(&self, text: &str) {
        if !text.trim().is_empty() && !text.starts_with("note: ") {
            let mut words = self.last_words.lock();
            // A panic's message comes on the line after the one that says where it was.
            if words.len() > MAX_LINE_BYTES || !words.ends_with(':') {
                words.clear();
            }
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(cut(text.trim(), MAX_LINE_BYTES));
        }
        self.write(LogLevel::Error, text);
    }
}

/// Stdout or stderr of a guest.
#[derive(Clone)]
pub(crate) struct Lines {
    log: Arc<GuestLog>,
    level: LogLevel,
    /// The line that has not ended yet, shared by all streams that the guest opens.
    open: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    pub(crate) fn stdout(log: &Arc<GuestLog>) -> Self {
        Lines { log: Arc::clone(log), level: LogLevel::Info, open: Arc::default() }
    }

    pub(crate) fn stderr(log: &Arc<GuestLog>) -> Self {
        Lines { log: Arc::clone(log), level: LogLevel::Error, open: Arc::default() }
    }

    fn push(&self, bytes: &[u8]) {
        let mut open = self.open.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What goes beyond the longest line kept is not collected either.
            let room = (MAX_LINE_BYTES + 1).saturating_sub(open.len());
            open.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if piece.ends_with(b"\n") {
                self.line(&String::from_utf8_lossy(&open));
                open.clear();
            }
        }
    }

    fn line(&self, text: &str) {
        match self.level {
            LogLevel::Error => self.log.stderr_line(text.trim_end()),
            level => self.log.write(level, text),
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and guests are given WASI 0.2.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogRing;

    #[test]
    fn writes_become_lines_and_stderr_explains_a_trap() {
        let ring = Arc::new(LogRing::new(10));
        let log = Arc::new(GuestLog::new(ring.clone()));
        let mut out = Lines::stdout(&log);
        out.write(Bytes::from_static(b"one\ntw")).unwrap();
        out.clone().write(Bytes::from_static(b"o\nunfinished")).unwrap();
        let mut err = Lines::stderr(&log);
        err.write(Bytes::from_static(b"\nthread 'main' panicked at src/lib.rs:1:2:\nout of cheese\n"))
            .unwrap();
        err.write(Bytes::from_static(b"note: run with `RUST_BACKTRACE=1`\n")).unwrap();
        let texts: Vec<_> = ring.tail(10).into_iter().map(|line| (line.level, line.text)).collect();
        assert_eq!(texts[0], (LogLevel::Info, "one".to_owned()));
        assert_eq!(texts[1], (LogLevel::Info, "two".to_owned()));
        assert_eq!(texts[4].0, LogLevel::Error);
        assert_eq!(log.take_last_words(), "thread 'main' panicked at src/lib.rs:1:2: out of cheese");
        assert_eq!(log.take_last_words(), "");
    }

    #[test]
    fn a_line_without_end_is_not_collected() {
        let log = Arc::new(GuestLog::new(Arc::new(LogRing::new(10))));
        let mut out = Lines::stdout(&log);
        for _ in 0..100 {
            out.write(Bytes::from(vec![b'x'; CHUNK_BYTES])).unwrap();
        }
        assert!(out.open.lock().len() <= MAX_LINE_BYTES + 1);
    }
}
