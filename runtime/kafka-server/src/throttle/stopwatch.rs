//! How long this thread was busy with a request: the time its future was being polled, not the time
//! it waited.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Measures one request. Atomics, because its future may move between threads.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    base: Instant,
    busy_ns: AtomicU64,
    began_ns: AtomicU64,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self { base: Instant::now(), busy_ns: AtomicU64::new(0), began_ns: AtomicU64::new(u64::MAX) }
    }
}

impl Stopwatch {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Time spent so far, the poll under way included.
    pub(crate) fn busy(&self) -> Duration {
        let running = self.now_ns().saturating_sub(self.began_ns.load(Ordering::Relaxed));
        Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed) + running)
    }

    /// Runs a future and measures it.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| self.poll(future.as_mut(), context)).await
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.now_ns();
        self.began_ns.store(began, Ordering::Relaxed);
        let polled = future.poll(context);
        self.began_ns.store(u64::MAX, Ordering::Relaxed);
        self.busy_ns.fetch_add(self.now_ns() - began, Ordering::Relaxed);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_does_not_count() {
        let watch = Stopwatch::default();
        watch
            .measure(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                std::thread::sleep(Duration::from_millis(20));
                assert!(watch.busy() >= Duration::from_millis(20));
            })
            .await;
        assert!(watch.busy() >= Duration::from_millis(20));
        assert!(watch.busy() < watch.base.elapsed() - Duration::from_millis(100));
    }
}
