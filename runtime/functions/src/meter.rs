//! The time that a call takes, as far as the guest is to blame for it.
//!
//! A call's future runs on a worker thread. While it is polled, the guest computes; when it is pending because the
//! guest waits (for an HTTP response, for a clock), that is the guest's time too. When it is pending because the host
//! made it give way to others at an epoch tick, it is not. [`Metered`] tells the three apart.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::ticker::Ticker;

/// Counts a call's time. Shared by the call's future, the epoch callback and outbound HTTP, all of which run on one
/// thread at a time, so relaxed atomics do.
pub(crate) struct Meter {
    origin: Instant,
    deadline: Duration,
    /// Microseconds, up to `since`.
    used: AtomicU64,
    /// Microseconds after `origin` from which time counts that is not in `used` yet.
    since: AtomicU64,
    /// Whether the host made the guest give way.
    gave_way: AtomicBool,
}

impl Meter {
    pub(crate) fn new(deadline: Duration) -> Self {
        Meter {
            origin: Instant::now(),
            deadline,
            used: AtomicU64::new(0),
            since: AtomicU64::new(0),
            gave_way: AtomicBool::new(false),
        }
    }

    /// Starts a call.
    pub(crate) fn restart(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
        self.gave_way.store(false, Ordering::Relaxed);
    }

    /// What is left, zero when the deadline has passed.
    pub(crate) fn left(&self) -> Duration {
        let used = self.used.load(Ordering::Relaxed);
        let running = self.now().saturating_sub(self.since.load(Ordering::Relaxed));
        self.deadline.saturating_sub(Duration::from_micros(used.saturating_add(running)))
    }

    /// Notes that the host makes the guest give way now.
    pub(crate) fn give_way(&self) {
        self.gave_way.store(true, Ordering::Relaxed);
    }

    /// Starts a poll. Time since the last one counts unless the host had made the guest give way.
    fn resume(&self) {
        let now = self.now();
        if !self.gave_way.swap(false, Ordering::Relaxed) {
            let since = self.since.load(Ordering::Relaxed);
            self.used.fetch_add(now.saturating_sub(since), Ordering::Relaxed);
        }
        self.since.store(now, Ordering::Relaxed);
    }

    /// Ends a poll; whether the guest now waits by its own choice.
    fn suspend(&self) -> bool {
        let now = self.now();
        let since = self.since.swap(now, Ordering::Relaxed);
        self.used.fetch_add(now.saturating_sub(since), Ordering::Relaxed);
        !self.gave_way.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The deadline has passed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline exceeded")]
pub(crate) struct DeadlineExceeded;

/// A call's future, metered and with the epochs ticking while it is polled.
pub(crate) struct Metered<F> {
    inner: Pin<Box<F>>,
    meter: Arc<Meter>,
    ticker: Arc<Ticker>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<F> Metered<F> {
    pub(crate) fn new(inner: F, meter: Arc<Meter>, ticker: Arc<Ticker>) -> Self {
        Metered { inner: Box::pin(inner), meter, ticker, timer: None }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, DeadlineExceeded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.meter.resume();
        let polled = {
            let _ticking = this.ticker.enter();
            this.inner.as_mut().poll(cx)
        };
        let waits = this.meter.suspend();
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        if !waits {
            return Poll::Pending;
        }
        let left = this.meter.left();
        if left.is_zero() {
            return Poll::Ready(Err(DeadlineExceeded));
        }
        let wake_at = tokio::time::Instant::now() + left;
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wake_at)));
        timer.as_mut().reset(wake_at);
        timer.as_mut().poll(cx).map(|()| Err(DeadlineExceeded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered<F: Future>(deadline_ms: u64, future: impl FnOnce(Arc<Meter>) -> F) -> Metered<F> {
        let meter = Arc::new(Meter::new(Duration::from_millis(deadline_ms)));
        meter.restart();
        Metered::new(future(meter.clone()), meter, Arc::new(Ticker::idle()))
    }

    #[tokio::test]
    async fn waiting_counts() {
        let forever = metered(20, |_| std::future::pending::<()>());
        assert_eq!(forever.await, Err(DeadlineExceeded));
        let quick = metered(2_000, |_| tokio::time::sleep(Duration::from_millis(1)));
        assert_eq!(quick.await, Ok(()));
    }

    #[tokio::test]
    async fn giving_way_does_not_count() {
        let patient = metered(20, |meter| async move {
            let mut gave_way = false;
            std::future::poll_fn(move |cx| {
                if std::mem::replace(&mut gave_way, true) {
                    return Poll::Ready(meter.left());
                }
                meter.give_way();
                let waker = cx.waker().clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(60));
                    waker.wake();
                });
                Poll::Pending
            })
            .await
        });
        assert!(patient.await.unwrap() > Duration::ZERO);
    }
}
