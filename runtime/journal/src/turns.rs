//! Jobs for threads that take turns: each takes the next one, and none takes another before that turn
//! is over. So jobs are done in order, and a thread may go on with what follows from its job while
//! another has its turn.
//!
//! A thread is woken only for a job that it can take: a lock handed from one to the other would wake
//! one for each job, whether there is another or not. Whoever would do the next jobs without being woken, for they take no
//! time, asks for the turn and leaves it ([`Turn::leave`]) with what it did not take.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

pub(crate) struct Turns<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_taken: bool,
    is_closed: bool,
}

/// Somebody's turn, until it is dropped.
pub(crate) struct Turn<'a, T>(&'a Turns<T>);

impl<T> Turns<T> {
    pub(crate) fn new() -> Turns<T> {
        let state = State { waiting: VecDeque::new(), is_taken: false, is_closed: false };
        Turns { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues a job, or gives it back when nobody will take it any more. Wakes nobody.
    pub(crate) fn push(&self, job: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(job);
        }
        state.waiting.push_back(job);
        Ok(())
    }

    /// Queues a job before all others and wakes a thread for it. Whoever ends looks for what it is about, so it may be refused.
    pub(crate) fn push_first(&self, job: T) {
        let mut state = self.state.lock();
        if !state.is_closed {
            state.waiting.push_front(job);
            self.changed.notify_one();
        }
    }

    /// Wakes a thread for what waits, unless somebody has the turn, who does that.
    pub(crate) fn wake(&self) {
        let state = self.state.lock();
        if !state.is_taken && !state.waiting.is_empty() {
            self.changed.notify_one();
        }
    }

    /// The turn, if nobody has it and a job waits.
    pub(crate) fn turn(&self) -> Option<Turn<'_, T>> {
        let mut state = self.state.lock();
        if state.is_taken || state.waiting.is_empty() {
            return None;
        }
        state.is_taken = true;
        Some(Turn(self))
    }

    /// Waits for a job and for the turn to do it. None when there will be no more.
    pub(crate) fn take(&self) -> Option<(T, Turn<'_, T>)> {
        let mut state = self.state.lock();
        loop {
            if !state.is_taken {
                if let Some(job) = state.waiting.pop_front() {
                    state.is_taken = true;
                    return Some((job, Turn(self)));
                }
                if state.is_closed {
                    return None;
                }
            }
            self.changed.wait(&mut state);
        }
    }

    /// Takes no further jobs. Those that wait are still done.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Takes no further jobs and answers those that wait, which nobody will do.
    pub(crate) fn abandon(&self) -> VecDeque<T> {
        self.close();
        std::mem::take(&mut self.state.lock().waiting)
    }
}

impl<T> Turn<'_, T> {
    /// The jobs that wait, in their order. Whoever has the turn may take some from the front.
    pub(crate) fn waiting<R>(&self, with: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        with(&mut self.0.state.lock().waiting)
    }

    /// Gives the turn back and wakes nobody: whoever does this sees to it that somebody asks for it again.
    pub(crate) fn leave(self) {
        let is_closed = {
            let mut state = self.0.state.lock();
            state.is_taken = false;
            state.is_closed
        };
        let turns = self.0;
        std::mem::forget(self); // which would wake somebody
        if is_closed {
            turns.changed.notify_all();
        }
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_taken = false;
        if state.is_closed {
            self.0.changed.notify_all();
        } else if !state.waiting.is_empty() {
            self.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::{sleep, spawn};
    use std::time::Duration;

    use super::*;

    #[test]
    fn jobs_are_done_one_at_a_time_and_in_order() {
        const JOBS: u64 = 2_000;
        let turns = Arc::new(Turns::<u64>::new());
        let done = Arc::new(AtomicU64::new(0));
        let worker = || {
            let (turns, done) = (turns.clone(), done.clone());
            spawn(move || {
                let mut taken = 0;
                while let Some((job, turn)) = turns.take() {
                    assert_eq!(done.load(Ordering::Relaxed), job);
                    done.store(job + 1, Ordering::Relaxed);
                    drop(turn);
                    taken += 1;
                    if job.is_multiple_of(7) {
                        sleep(Duration::from_micros(50));
                    }
                }
                taken
            })
        };
        let workers = [worker(), worker()];
        for job in 0..JOBS {
            turns.push(job).unwrap();
            turns.wake();
            if job.is_multiple_of(100) {
                sleep(Duration::from_millis(1)); // they find nothing and wait
            }
        }
        turns.close();
        let taken: Vec<u64> = workers.map(|worker| worker.join().unwrap()).to_vec();
        assert_eq!(taken.iter().sum::<u64>(), JOBS);
        assert!(taken.iter().all(|taken| *taken > 0), "{taken:?}");
        assert_eq!(turns.push(JOBS), Err(JOBS));
    }

    #[test]
    fn whoever_waits_for_a_turn_ends_when_the_jobs_do() {
        let turns = Arc::new(Turns::new());
        turns.push(1).unwrap();
        let (_, turn) = turns.take().unwrap();
        let other = turns.clone();
        let waiting = spawn(move || other.take().is_none());
        turns.close();
        drop(turn);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_turn_may_take_several_jobs() {
        let turns = Turns::new();
        (1..=5).for_each(|job| turns.push(job).unwrap());
        let (first, turn) = turns.take().unwrap();
        let further: Vec<u64> = turn.waiting(|waiting| waiting.drain(..2).collect());
        assert_eq!((first, further), (1, vec![2, 3]));
        drop(turn);
        assert_eq!(turns.take().unwrap().0, 4);
    }

    #[test]
    fn a_turn_that_is_left_can_be_had_again_with_all_that_waits() {
        let turns = Turns::new();
        assert!(turns.turn().is_none(), "there is nothing to do");
        turns.push(1).unwrap();
        let turn = turns.turn().unwrap();
        turns.push(2).unwrap();
        assert!(turns.turn().is_none(), "somebody has it");
        assert_eq!(turn.waiting(|waiting| waiting.len()), 2);
        turn.leave();
        turns.push_first(0);
        assert_eq!(turns.take().map(|(job, _)| job), Some(0));
        assert_eq!(turns.turn().unwrap().waiting(std::mem::take), [1, 2]);
    }

    #[test]
    fn jobs_that_nobody_will_do_are_answered() {
        let turns = Turns::new();
        turns.push(1).unwrap();
        turns.push(2).unwrap();
        assert_eq!(turns.abandon(), [1, 2]);
        assert_eq!(turns.push(3), Err(3));
        assert!(turns.take().is_none());
    }
}
