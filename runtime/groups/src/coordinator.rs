//! The shell around the state machines: time, waiting requests, the store.
//!
//! Locks, in the order in which they are taken: the map of groups, one group, the deadlines. None
//! is held across an await. Snapshots of a group are stored one after another by a task that lives
//! only while there is one to store; if several pile up, the last stands for all.

mod hosting;
mod offsets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::Error;
use crate::group::Group;
use crate::listing::{DescribedGroup, ListedGroup};
use crate::options::Options;
use crate::requests::{HeartbeatRequest, JoinRequest, Joined, LeaveRequest, LeftMember, SyncRequest, Synced};
use crate::store::GroupStore;
use hosting::{Hosted, Shared};

/// The group coordinator. Cheap to clone; all clones are the same coordinator.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
    tickets: Arc<AtomicU64>,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("groups", &self.shared.group_count()).finish()
    }
}

impl Coordinator {
    /// Loads all groups from the store. Members of a stable group get a full session to show up.
    pub async fn start(store: Arc<dyn GroupStore>, options: Options) -> Result<Coordinator, Error> {
        let stored = store.load().await?;
        let shared = Shared::new(store, options);
        for group in stored {
            let restored = match &group.snapshot {
                None => Group { stored: true, ..Group::new() },
                Some(snapshot) => Group::restore(snapshot, shared.now())
                    .map_err(|error| Error::Refused(format!("group {:?}: {error}", group.group_id)))?,
            };
            shared.adopt(&group.group_id, restored);
        }
        Ok(Coordinator { shared, tickets: Arc::default() })
    }

    /// The settings it runs with.
    pub fn options(&self) -> &Options {
        self.shared.options()
    }

    /// JoinGroup. Waits until the rebalance ends.
    pub async fn join(&self, mut request: JoinRequest) -> Result<Joined, Error> {
        self.check_id(&request.group_id)?;
        self.check_names(&mut request)?;
        let hosted = if request.member_id.is_empty() {
            self.shared.host_or_create(&request.group_id)?
        } else {
            self.shared.host(&request.group_id).ok_or(Error::UnknownMemberId)?
        };
        let ticket = self.ticket();
        let (sender, receiver) = oneshot::channel();
        let fresh_id = Uuid::new_v4().to_string();
        self.shared.act(&hosted, |inner, now, options| {
            inner.joins.insert(ticket, sender);
            inner.group.join(now, ticket, request, &fresh_id, options)
        });
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// SyncGroup. Waits until the leader has assigned and the assignment is durable.
    pub async fn sync(&self, mut request: SyncRequest) -> Result<Synced, Error> {
        self.check_id(&request.group_id)?;
        // The request's bytes may be a view of a large network buffer.
        for (_, share) in &mut request.assignments {
            *share = Bytes::copy_from_slice(share);
        }
        let hosted = self.known_member_group(&request.group_id)?;
        let ticket = self.ticket();
        let (sender, receiver) = oneshot::channel();
        self.shared.act(&hosted, |inner, now, options| {
            inner.syncs.insert(ticket, sender);
            inner.group.sync(now, ticket, request, options)
        });
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Heartbeat.
    pub fn heartbeat(&self, request: &HeartbeatRequest) -> Result<(), Error> {
        self.check_id(&request.group_id)?;
        let hosted = self.known_member_group(&request.group_id)?;
        self.shared.peek(&hosted, |group, now| group.heartbeat(now, request))
    }

    /// LeaveGroup.
    pub fn leave(&self, request: LeaveRequest) -> Result<Vec<LeftMember>, Error> {
        self.check_id(&request.group_id)?;
        let hosted = self.known_member_group(&request.group_id)?;
        let mut left = Vec::new();
        self.shared.act(&hosted, |inner, now, options| {
            let (members, effects) = inner.group.leave(now, request.members, options);
            left = members;
            effects
        });
        Ok(left)
    }

    /// DescribeGroups, for one group.
    pub fn describe(&self, group_id: &str) -> Result<DescribedGroup, Error> {
        let hosted = self.shared.host(group_id).ok_or(Error::GroupIdNotFound)?;
        Ok(self.shared.peek(&hosted, |group, _| group.describe()))
    }

    /// ListGroups, by id.
    pub fn list(&self) -> Vec<ListedGroup> {
        self.shared.list()
    }

    /// DeleteGroups, for one group.
    pub async fn delete(&self, group_id: &str) -> Result<(), Error> {
        self.check_id(group_id)?;
        let hosted = self.shared.host(group_id).ok_or(Error::GroupIdNotFound)?;
        self.shared.delete(&hosted).await
    }

    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    fn known_member_group(&self, group_id: &str) -> Result<Arc<Hosted>, Error> {
        self.shared.host(group_id).ok_or(Error::UnknownMemberId)
    }

    fn check_id(&self, group_id: &str) -> Result<(), Error> {
        let bad = group_id.is_empty() || group_id.len() > self.options().max_name_bytes;
        if bad { Err(Error::InvalidGroupId) } else { Ok(()) }
    }

    /// Bounds what a member calls itself, and lets go of the network buffer.
    fn check_names(&self, request: &mut JoinRequest) -> Result<(), Error> {
        let max = self.options().max_name_bytes;
        let instance = request.instance_id.as_ref().map_or(0, String::len);
        let longest = request.protocols.iter().map(|p| p.name.len()).max().unwrap_or(0);
        if instance.max(longest).max(request.protocol_type.len()).max(request.client_id.len()) > max {
            return Err(Error::InvalidRequest(format!("a name has more than {max} bytes")));
        }
        for protocol in &mut request.protocols {
            protocol.metadata = Bytes::copy_from_slice(&protocol.metadata);
        }
        Ok(())
    }
}

fn stopped() -> Error {
    Error::NotAvailable("the coordinator stopped".into())
}
