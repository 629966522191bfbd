//! The control plane's settings: of brokers, changed while they run, quotas of clients, and
//! subscriptions to their metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{MAX_CLIENT_METRICS, MAX_LIST_ELEMENTS, MAX_QUOTA_NAME_BYTES, MAX_STRING_BYTES};
use crate::metadata::check_configs;
use crate::rows::RowKey;
use crate::state::State;
use crate::{Metadata, MetadataChange, Outcome, QuotaEntity, QuotaName, Rejection};

impl Metadata {
    /// What was set on one broker, or (with none) on all of them.
    pub fn broker_configs(&self, node_id: Option<i32>) -> Option<&BTreeMap<String, String>> {
        self.broker_configs.get(&node_id)
    }

    /// Every quota, by whom it is for.
    pub fn client_quotas(&self) -> &BTreeMap<QuotaEntity, BTreeMap<String, f64>> {
        &self.client_quotas
    }

    /// Subscriptions to metrics of clients, by name.
    pub fn client_metrics(&self) -> &BTreeMap<Arc<str>, BTreeMap<String, String>> {
        &self.client_metrics
    }
}

impl State {
    pub(crate) fn alter_broker_configs(
        &mut self,
        node_id: Option<i32>,
        changes: &[(String, Option<String>)],
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        check_configs(changes.iter().map(|(name, value)| (name, value.as_ref())))?;
        let all = &mut self.metadata.broker_configs;
        let known = all.get(&node_id).map_or(0, BTreeMap::len);
        if known.saturating_add(changes.len()) > MAX_LIST_ELEMENTS || all.len() >= MAX_LIST_ELEMENTS {
            return Err(Rejection::Invalid("too many configs".into()));
        }
        change(all, node_id, changes);
        self.dirty.mark(RowKey::BrokerConfigs(node_id));
        Ok((Outcome::Done, MetadataChange::BrokerConfigs))
    }

    pub(crate) fn alter_client_quotas(
        &mut self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        check_entity(entity)?;
        let wrong = |(name, value): &(String, Option<f64>)| {
            name.is_empty()
                || name.len() > MAX_QUOTA_NAME_BYTES
                || value.is_some_and(|value| !value.is_finite() || value < 0.0)
        };
        if changes.iter().any(wrong) {
            return Err(Rejection::Invalid("quota name or value".into()));
        }
        let all = &mut self.metadata.client_quotas;
        let known = all.get(entity).map_or(0, BTreeMap::len);
        if known.saturating_add(changes.len()) > MAX_LIST_ELEMENTS || all.len() >= MAX_LIST_ELEMENTS {
            return Err(Rejection::Invalid("too many quotas".into()));
        }
        change(all, entity.clone(), changes);
        self.dirty.mark(RowKey::ClientQuotas(entity.clone().into()));
        Ok((Outcome::Done, MetadataChange::ClientQuotas))
    }

    pub(crate) fn alter_client_metrics(
        &mut self,
        name: &str,
        changes: &[(String, Option<String>)],
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        if name.is_empty() || name.len() > MAX_STRING_BYTES {
            return Err(Rejection::Invalid("name of a subscription to metrics of clients".into()));
        }
        check_configs(changes.iter().map(|(name, value)| (name, value.as_ref())))?;
        let all = &mut self.metadata.client_metrics;
        let known = all.get(name).map_or(0, BTreeMap::len);
        let is_new = known == 0;
        if known.saturating_add(changes.len()) > MAX_LIST_ELEMENTS {
            return Err(Rejection::Invalid("too many configs".into()));
        }
        if is_new && all.len() >= MAX_CLIENT_METRICS {
            return Err(Rejection::Invalid("too many subscriptions to metrics of clients".into()));
        }
        let name: Arc<str> = name.into();
        change(all, name.clone(), changes);
        self.dirty.mark(RowKey::ClientMetrics(name));
        Ok((Outcome::Done, MetadataChange::ClientMetrics))
    }
}

/// Sets and removes; what has nothing left is forgotten.
fn change<K: Ord, V: Clone>(
    all: &mut BTreeMap<K, BTreeMap<String, V>>,
    of: K,
    changes: &[(String, Option<V>)],
) {
    let mut own = all.remove(&of).unwrap_or_default();
    for (name, value) in changes {
        match value {
            Some(value) => own.insert(name.clone(), value.clone()),
            None => own.remove(name),
        };
    }
    if !own.is_empty() {
        all.insert(of, own);
    }
}

fn check_entity(entity: &QuotaEntity) -> Result<(), Rejection> {
    let named = [&entity.user, &entity.client_id, &entity.ip];
    let too_long =
        |name: &QuotaName| matches!(name, QuotaName::Named(name) if name.len() > MAX_QUOTA_NAME_BYTES);
    if named.iter().all(|name| name.is_none()) || named.into_iter().flatten().any(too_long) {
        return Err(Rejection::Invalid("quota entity".into()));
    }
    Ok(())
}
