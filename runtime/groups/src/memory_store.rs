//! A store that forgets with the process: for tests, and for trying the coordinator alone.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::store::{CommittedOffset, GroupStore, OffsetKey, StoreError, StoredGroup};

#[derive(Debug, Default)]
struct Kept {
    snapshot: Option<Vec<u8>>,
    offsets: BTreeMap<OffsetKey, CommittedOffset>,
}

/// Groups and offsets in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    groups: Mutex<BTreeMap<String, Kept>>,
    refusing: Mutex<Option<StoreError>>,
}

impl MemoryStore {
    /// From now on every change fails with `error`, or works again.
    pub fn refuse(&self, error: Option<StoreError>) {
        *self.refusing.lock() = error;
    }

    fn check(&self) -> Result<(), StoreError> {
        self.refusing.lock().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl GroupStore for MemoryStore {
    async fn load(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let groups = self.groups.lock();
        let stored = groups
            .iter()
            .map(|(id, kept)| StoredGroup { group_id: id.clone(), snapshot: kept.snapshot.clone() });
        Ok(stored.collect())
    }

    async fn put_group(&self, group_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        self.check()?;
        self.groups.lock().entry(group_id.to_owned()).or_default().snapshot = Some(snapshot);
        Ok(())
    }

    async fn delete_group(&self, group_id: &str) -> Result<(), StoreError> {
        self.check()?;
        self.groups.lock().remove(group_id);
        Ok(())
    }

    async fn retire_group(&self, group_id: &str) -> Result<bool, StoreError> {
        self.check()?;
        let mut groups = self.groups.lock();
        if let Some(kept) = groups.get_mut(group_id) {
            kept.snapshot = None;
        }
        let gone = groups.get(group_id).is_none_or(|kept| kept.offsets.is_empty());
        if gone {
            groups.remove(group_id);
        }
        Ok(gone)
    }

    async fn commit_offsets(
        &self,
        group_id: &str,
        offsets: Vec<CommittedOffset>,
        _: Option<i64>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let mut groups = self.groups.lock();
        let kept = groups.entry(group_id.to_owned()).or_default();
        kept.offsets.extend(offsets.into_iter().map(|offset| (offset.key, offset)));
        Ok(())
    }

    async fn fetch_offsets(
        &self,
        group_id: &str,
        keys: Option<Vec<OffsetKey>>,
    ) -> Result<Vec<CommittedOffset>, StoreError> {
        let groups = self.groups.lock();
        let Some(kept) = groups.get(group_id) else {
            return Ok(Vec::new());
        };
        Ok(match keys {
            None => kept.offsets.values().cloned().collect(),
            Some(keys) => keys.iter().filter_map(|key| kept.offsets.get(key).cloned()).collect(),
        })
    }

    async fn delete_offsets(&self, group_id: &str, keys: Vec<OffsetKey>) -> Result<(), StoreError> {
        self.check()?;
        if let Some(kept) = self.groups.lock().get_mut(group_id) {
            kept.offsets.retain(|key, _| !keys.contains(key));
        }
        Ok(())
    }
}
