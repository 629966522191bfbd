//! The groups in memory, their waiting requests, and the one task that knows the time.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};

use crate::deadlines::Deadlines;
use crate::error::Error;
use crate::group::{Effect, Group, Ticket};
use crate::listing::ListedGroup;
use crate::options::Options;
use crate::requests::{Joined, Synced};
use crate::store::{GroupStore, StoreError};

/// A group and whoever waits for it.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) group: Group,
    pub(super) joins: HashMap<Ticket, oneshot::Sender<Result<Joined, Error>>>,
    pub(super) syncs: HashMap<Ticket, oneshot::Sender<Result<Synced, Error>>>,
    to_store: Option<(u64, Vec<u8>)>,
    storing: bool,
}

/// A group in memory.
#[derive(Debug)]
pub(super) struct Hosted {
    id: String,
    inner: Mutex<Inner>,
    /// Puts and deletes of this group's snapshot take turns.
    store_turn: tokio::sync::Mutex<()>,
}

/// What all clones of a coordinator share.
pub(super) struct Shared {
    options: Options,
    store: Arc<dyn GroupStore>,
    groups: RwLock<HashMap<String, Arc<Hosted>>>,
    deadlines: Mutex<Deadlines>,
    earlier: Arc<Notify>,
    started: Instant,
    timer: Mutex<Option<AbortHandle>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.lock().take() {
            timer.abort();
        }
    }
}

impl Shared {
    pub(super) fn new(store: Arc<dyn GroupStore>, options: Options) -> Arc<Shared> {
        let shared = Arc::new(Shared {
            options,
            store,
            groups: RwLock::default(),
            deadlines: Mutex::default(),
            earlier: Arc::default(),
            started: Instant::now(),
            timer: Mutex::default(),
        });
        let task = tokio::spawn(watch_time(Arc::downgrade(&shared), shared.earlier.clone(), shared.started));
        *shared.timer.lock() = Some(task.abort_handle());
        shared
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn store(&self) -> &Arc<dyn GroupStore> {
        &self.store
    }

    /// Milliseconds since the coordinator started.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.read().len()
    }

    pub(super) fn host(&self, group_id: &str) -> Option<Arc<Hosted>> {
        self.groups.read().get(group_id).cloned()
    }

    pub(super) fn host_or_create(&self, group_id: &str) -> Result<Arc<Hosted>, Error> {
        if let Some(hosted) = self.host(group_id) {
            return Ok(hosted);
        }
        let mut groups = self.groups.write();
        if let Some(hosted) = groups.get(group_id) {
            return Ok(hosted.clone());
        }
        if groups.len() >= self.options.max_groups {
            return Err(Error::GroupMaxSizeReached);
        }
        let hosted = Arc::new(Hosted::new(group_id, Group::new()));
        groups.insert(group_id.to_owned(), hosted.clone());
        Ok(hosted)
    }

    /// Takes in a group from the store.
    pub(super) fn adopt(&self, group_id: &str, group: Group) {
        let deadline = group.next_deadline();
        let hosted = Arc::new(Hosted::new(group_id, group));
        self.groups.write().insert(group_id.to_owned(), hosted);
        self.arm(group_id, deadline);
    }

    pub(super) fn list(&self) -> Vec<ListedGroup> {
        let hosted: Vec<Arc<Hosted>> = self.groups.read().values().cloned().collect();
        let mut listed: Vec<ListedGroup> = hosted
            .into_iter()
            .map(|hosted| {
                let inner = hosted.inner.lock();
                ListedGroup {
                    group_id: hosted.id.clone(),
                    protocol_type: inner.group.protocol_type.clone().unwrap_or_default(),
                    state: inner.group.state(),
                }
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.group_id.cmp(&b.group_id));
        listed
    }

    /// Looks at a group, or does what moves no deadline nearer.
    pub(super) fn peek<R>(&self, hosted: &Hosted, act: impl FnOnce(&mut Group, u64) -> R) -> R {
        act(&mut hosted.inner.lock().group, self.now())
    }

    /// Does something to a group, and all that follows from it.
    pub(super) fn act(
        self: &Arc<Self>,
        hosted: &Arc<Hosted>,
        act: impl FnOnce(&mut Inner, u64, &Options) -> Vec<Effect>,
    ) {
        let (deadline, vacant) = {
            let mut inner = hosted.inner.lock();
            let effects = act(&mut inner, self.now(), &self.options);
            inner.carry_out(effects);
            if inner.to_store.is_some() && !inner.storing {
                inner.storing = true;
                tokio::spawn(self.clone().store_snapshots(hosted.clone()));
            }
            (inner.group.next_deadline(), inner.group.is_vacant())
        };
        self.arm(&hosted.id, deadline);
        if vacant {
            self.drop_vacant(hosted);
        }
    }

    fn arm(&self, group_id: &str, deadline: Option<u64>) {
        if self.deadlines.lock().arm(group_id, deadline) {
            self.earlier.notify_one();
        }
    }

    /// Forgets a group that never came to be.
    fn drop_vacant(&self, hosted: &Arc<Hosted>) {
        let mut groups = self.groups.write();
        let mut inner = hosted.inner.lock();
        if inner.group.is_vacant() && inner.group.delete().is_ok() {
            groups.remove(&hosted.id);
        }
    }

    async fn store_snapshots(self: Arc<Self>, hosted: Arc<Hosted>) {
        loop {
            let turn = hosted.store_turn.lock().await;
            let Some((revision, snapshot)) = hosted.next_to_store() else {
                return;
            };
            let result = self.store.put_group(&hosted.id, snapshot).await.map_err(Error::from);
            drop(turn);
            if let Err(error) = &result {
                tracing::warn!(group = %hosted.id, %error, "the group's state was not stored");
            }
            self.act(&hosted, |inner, now, options| inner.group.persisted(now, revision, result, options));
        }
    }

    pub(super) async fn delete(self: &Arc<Self>, hosted: &Arc<Hosted>) -> Result<(), Error> {
        let forget = async { self.store.delete_group(&hosted.id).await.map(|()| true) };
        self.end(hosted, forget).await
    }

    /// Ends an empty group unless it has offsets.
    pub(super) async fn retire(self: &Arc<Self>, hosted: &Arc<Hosted>) -> Result<(), Error> {
        self.end(hosted, self.store.retire_group(&hosted.id)).await
    }

    /// Ends a group if the store forgets it. Meanwhile it takes no requests.
    async fn end(
        self: &Arc<Self>,
        hosted: &Arc<Hosted>,
        forget: impl Future<Output = Result<bool, StoreError>>,
    ) -> Result<(), Error> {
        let turn = hosted.store_turn.lock().await;
        {
            let mut inner = hosted.inner.lock();
            inner.group.delete()?;
            inner.to_store = None;
        }
        let forgotten = forget.await;
        drop(turn);
        if let Ok(true) = forgotten {
            self.arm(&hosted.id, None);
            self.groups.write().remove(&hosted.id);
        } else {
            hosted.inner.lock().group.undelete();
        }
        forgotten.map(|_| ()).map_err(Error::from)
    }

    fn on_time(self: &Arc<Self>) {
        let due = self.deadlines.lock().due(self.now());
        for group_id in due {
            if let Some(hosted) = self.host(&group_id) {
                self.act(&hosted, |inner, now, options| inner.group.on_time(now, options));
            }
        }
    }
}

impl Hosted {
    fn new(id: &str, group: Group) -> Self {
        let inner = Inner { group, ..Inner::default() };
        Hosted { id: id.to_owned(), inner: Mutex::new(inner), store_turn: tokio::sync::Mutex::default() }
    }

    fn next_to_store(&self) -> Option<(u64, Vec<u8>)> {
        let mut inner = self.inner.lock();
        let next = inner.to_store.take();
        if next.is_none() {
            inner.storing = false;
        }
        next
    }
}

impl Inner {
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // A receiver that is gone was a client that is gone.
                Effect::Join(ticket, answer) => {
                    if let Some(waiting) = self.joins.remove(&ticket) {
                        let _ = waiting.send(answer);
                    }
                }
                Effect::Sync(ticket, answer) => {
                    if let Some(waiting) = self.syncs.remove(&ticket) {
                        let _ = waiting.send(answer);
                    }
                }
                Effect::Persist { revision, snapshot } => self.to_store = Some((revision, snapshot)),
            }
        }
    }
}

/// Sleeps until the earliest deadline, or without a timer while there is none.
async fn watch_time(shared: Weak<Shared>, earlier: Arc<Notify>, started: Instant) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        strong.on_time();
        let next = strong.deadlines.lock().earliest();
        drop(strong);
        match next {
            None => earlier.notified().await,
            Some(at) => {
                let until = started + Duration::from_millis(at);
                let _ = tokio::time::timeout_at(until, earlier.notified()).await;
            }
        }
    }
}
