//! Which instances have a task, and which stand still.
//!
//! An instance that is woken while its task runs is marked to look once more, so no advance is ever
//! missed and there is never more than one task of an instance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_functions::LogLevel;
use tidemill_state::{FunctionInstance, OutboxStream, PartitionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::instance::{End, Run};
use crate::broker::Broker;
use crate::functions::catalog::Deployment;

/// Instances that read and call at the same time; the rest wait their turn.
const MAX_WORKING: usize = 64;
/// First and longest pause before something that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// State of everything that runs or refuses to.
pub(crate) struct Scheduler {
    slots: Mutex<Slots>,
    working: Arc<Semaphore>,
}

#[derive(Default)]
struct Slots {
    /// Instances with a task, and whether they must look once more before it ends.
    active: HashMap<FunctionInstance, bool>,
    /// Outbox streams with a delivery task, likewise.
    delivering: HashMap<(u32, OutboxStream), bool>,
    /// Instances that stand still, and why.
    stopped: HashMap<FunctionInstance, String>,
}

impl Scheduler {
    pub(crate) fn new() -> Self {
        Self { slots: Mutex::default(), working: Arc::new(Semaphore::new(MAX_WORKING)) }
    }

    /// Whether an instance has a task.
    pub(crate) fn is_active(&self, instance: &FunctionInstance) -> bool {
        self.slots.lock().active.contains_key(instance)
    }

    /// Why an instance stands still, if it does.
    pub(crate) fn stopped(&self, instance: &FunctionInstance) -> Option<String> {
        self.slots.lock().stopped.get(instance).cloned()
    }

    /// Lets stopped instances of a function run again when they are woken.
    pub(crate) fn forget_stopped(&self, function_id: Uuid) {
        self.slots.lock().stopped.retain(|instance, _| instance.function_id != function_id);
    }

    fn stop(&self, instance: FunctionInstance, why: String) {
        let mut slots = self.slots.lock();
        slots.active.remove(&instance);
        slots.stopped.insert(instance, why);
    }

    /// True where a task has to be started.
    fn begin(&self, instance: FunctionInstance) -> bool {
        let mut slots = self.slots.lock();
        if slots.stopped.contains_key(&instance) {
            return false;
        }
        begin(&mut slots.active, instance)
    }

    /// True where the task may end; false where it has to look once more.
    fn end(&self, instance: &FunctionInstance) -> bool {
        end(&mut self.slots.lock().active, instance)
    }

    /// A place among the instances that read and call; waits for one.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.working).acquire_owned().await.ok()
    }

    /// As [`Scheduler::begin`], for the delivery of an outbox.
    pub(super) fn begin_delivery(&self, journal: u32, stream: OutboxStream) -> bool {
        begin(&mut self.slots.lock().delivering, (journal, stream))
    }

    /// As [`Scheduler::end`], for the delivery of an outbox.
    pub(super) fn end_delivery(&self, journal: u32, stream: OutboxStream) -> bool {
        end(&mut self.slots.lock().delivering, &(journal, stream))
    }
}

fn begin<K: std::hash::Hash + Eq>(active: &mut HashMap<K, bool>, key: K) -> bool {
    let mut started = false;
    let again = active.entry(key).or_insert_with(|| {
        started = true;
        false
    });
    *again |= !started;
    started
}

fn end<K: std::hash::Hash + Eq>(active: &mut HashMap<K, bool>, key: &K) -> bool {
    match active.get_mut(key) {
        Some(again) if *again => {
            *again = false;
            false
        }
        _ => {
            active.remove(key);
            true
        }
    }
}

/// Starts an instance's task, or marks the one it has.
pub(super) fn wake(broker: &Arc<Broker>, deployment: &Arc<Deployment>, input: PartitionId) {
    if !deployment.is_running() {
        return;
    }
    let instance = FunctionInstance { function_id: deployment.metadata.function_id, input };
    if broker.functions.scheduler.begin(instance) {
        broker.tasks.spawn(drive(Arc::clone(broker), instance));
    }
}

/// Runs an instance until it has caught up, is stopped, or the broker ends.
async fn drive(broker: Arc<Broker>, instance: FunctionInstance) {
    let scheduler = Arc::clone(&broker.functions.scheduler);
    let stopping = broker.stopping();
    let mut pause = Pause::default();
    while !stopping.is_cancelled() {
        let deployment = broker.functions.catalog.by_id(instance.function_id);
        let end = match deployment.filter(|deployment| deployment.is_running()) {
            Some(deployment) => one_run(&broker, &deployment, instance).await,
            None => End::CaughtUp,
        };
        match end {
            End::CaughtUp => {
                pause = Pause::default();
                if scheduler.end(&instance) {
                    return;
                }
            }
            End::Again => pause.wait(&stopping).await,
            End::Stopped(why) => return scheduler.stop(instance, why),
        }
    }
}

async fn one_run(broker: &Arc<Broker>, deployment: &Arc<Deployment>, instance: FunctionInstance) -> End {
    let run = match Run::start(broker, deployment, instance).await {
        Ok(Some(run)) => run,
        Ok(None) => return End::CaughtUp,
        Err(error) => {
            let name = &deployment.metadata.name;
            tracing::warn!(function = %name, %error, "a function cannot run for now");
            deployment.log(LogLevel::Warn, &format!("cannot run for now: {error}"));
            return End::Again;
        }
    };
    run.run_to_the_end().await
}

/// Pauses that double, up to a bound.
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Waits, unless the broker stops.
    pub(super) async fn wait(&mut self, stopping: &tokio_util::sync::CancellationToken) {
        // A random part keeps instances that failed together from coming back together.
        let jitter = rand::random_range(0.5..1.0);
        tokio::select! {
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(self.0.mul_f64(jitter)) => {}
        }
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> FunctionInstance {
        let input = PartitionId { topic_id: Uuid::nil(), partition: 0 };
        FunctionInstance { function_id: Uuid::nil(), input }
    }

    #[test]
    fn a_wake_up_during_a_run_is_not_lost() {
        let scheduler = Scheduler::new();
        assert!(scheduler.begin(instance()), "the first wake-up starts a task");
        assert!(!scheduler.begin(instance()), "the second only marks it");
        assert!(!scheduler.end(&instance()), "so it has to look once more");
        assert!(scheduler.end(&instance()));
        assert!(!scheduler.is_active(&instance()));
        assert!(scheduler.begin(instance()));
    }

    #[test]
    fn a_stopped_instance_is_not_woken_until_it_is_forgotten() {
        let scheduler = Scheduler::new();
        scheduler.begin(instance());
        scheduler.stop(instance(), "why".into());
        assert!(!scheduler.begin(instance()));
        assert_eq!(scheduler.stopped(&instance()).as_deref(), Some("why"));
        scheduler.forget_stopped(Uuid::nil());
        assert!(scheduler.begin(instance()));
    }
}
