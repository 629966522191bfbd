//! The one thread that advances the engine's epoch, and sleeps while no guest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// Advances the epoch every `tick` while at least one guest computes.
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    running: AtomicUsize,
    parked: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(
        tick: Duration,
        mut advance: impl FnMut() + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let state = Arc::new(State::default());
        let of_thread = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("function-epochs".to_owned())
            .spawn(move || of_thread.run(tick, &mut advance))?;
        Ok(Ticker { state, thread: Some(thread) })
    }

    /// A ticker that never ticks.
    #[cfg(test)]
    pub(crate) fn idle() -> Self {
        Ticker { state: Arc::default(), thread: None }
    }

    /// Makes the epochs tick until the guard is dropped.
    pub(crate) fn enter(&self) -> Ticking<'_> {
        // Sequentially consistent, like the thread's own order of setting `parked` and reading `running`: one of the
        // two sides sees the other.
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.parked.load(Ordering::SeqCst) {
            self.thread().map(Thread::unpark);
        }
        Ticking(&self.state)
    }

    fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }
}

impl State {
    fn run(&self, tick: Duration, advance: &mut dyn FnMut()) {
        while !self.stopped.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) > 0 {
                std::thread::sleep(tick);
                advance();
                continue;
            }
            self.parked.store(true, Ordering::SeqCst);
            while self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.parked.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic, and there is nobody to tell if it did.
            let _ = thread.join();
        }
    }
}

/// Keeps the epochs ticking.
pub(crate) struct Ticking<'a>(&'a State);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ticks_only_while_something_runs() {
        let ticks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ticks);
        let ticker = Ticker::start(Duration::from_millis(1), move || {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(ticks.load(Ordering::SeqCst), 0);
        for _ in 0..3 {
            let before = ticks.load(Ordering::SeqCst);
            let running = ticker.enter();
            while ticks.load(Ordering::SeqCst) < before + 5 {
                std::thread::yield_now();
            }
            drop(running);
            while !ticker.state.parked.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let idle = ticks.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(ticks.load(Ordering::SeqCst), idle);
        }
    }
}
