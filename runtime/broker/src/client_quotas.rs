//! Quotas of clients: who may send, read and ask how much, under Kafka's names.
//!
//! A quota is for a user, a client id, both, or an address; each may be the default of its kind. Of
//! those that fit a client the most precise one counts, and clients that it fits alike share it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tidemill_state::{Command, MetadataCommand, QuotaEntity, QuotaName};
use tokio::sync::watch;

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};

/// Bytes of produce requests per second.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes of record batches fetched per second.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Time spent on requests, in percent of one thread.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// Connections from an address per second.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// All quotas there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotas {
    by_entity: BTreeMap<QuotaEntity, BTreeMap<String, f64>>,
}

impl ClientQuotas {
    /// Whether there are none, so that nothing has to be measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_entity.is_empty()
    }

    /// Every quota, by whom it is for.
    #[must_use]
    pub fn by_entity(&self) -> &BTreeMap<QuotaEntity, BTreeMap<String, f64>> {
        &self.by_entity
    }

    /// The quota of a client: the limit, and who shares it.
    #[must_use]
    pub fn of_client(&self, user: &str, client_id: &str, quota: &str) -> Option<(QuotaEntity, f64)> {
        if self.by_entity.is_empty() {
            return None;
        }
        let (own_user, own_id) = (named(user), named(client_id));
        let default = Some(QuotaName::Default);
        let candidates = [
            (&own_user, &own_id),
            (&own_user, &default),
            (&own_user, &None),
            (&default, &own_id),
            (&default, &default),
            (&default, &None),
            (&None, &own_id),
            (&None, &default),
        ];
        candidates.into_iter().find_map(|(for_user, for_id)| {
            let (user, client_id) = (for_user.clone(), for_id.clone());
            let limit = self.limit(&QuotaEntity { user, client_id, ip: None }, quota)?;
            let sharing = QuotaEntity {
                user: for_user.as_ref().and(own_user.clone()),
                client_id: for_id.as_ref().and(own_id.clone()),
                ip: None,
            };
            Some((sharing, limit))
        })
    }

    /// The quota of an address: the limit, and who shares it.
    #[must_use]
    pub fn of_address(&self, ip: IpAddr, quota: &str) -> Option<(QuotaEntity, f64)> {
        if self.by_entity.is_empty() {
            return None;
        }
        let own = QuotaEntity { ip: named(&ip.to_string()), ..QuotaEntity::default() };
        let default = QuotaEntity { ip: Some(QuotaName::Default), ..QuotaEntity::default() };
        let limit = self.limit(&own, quota).or_else(|| self.limit(&default, quota))?;
        Some((own, limit))
    }

    fn limit(&self, entity: &QuotaEntity, quota: &str) -> Option<f64> {
        self.by_entity.get(entity)?.get(quota).copied()
    }
}

fn named(name: &str) -> Option<QuotaName> {
    Some(QuotaName::Named(name.to_owned()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn check(entity: &QuotaEntity, changes: &[(String, Option<f64>)]) -> Result<(), Error> {
    let is_client = entity.user.is_some() || entity.client_id.is_some();
    match &entity.ip {
        Some(_) if is_client => {
            return Err(invalid("an address cannot be combined with a user or a client id"));
        }
        None if !is_client => return Err(invalid("the quota is for nobody")),
        Some(QuotaName::Named(ip)) if ip.parse::<IpAddr>().is_err() => {
            return Err(invalid(format!("{ip} is not an address")));
        }
        _ => {}
    }
    for (name, value) in changes {
        let known = match name.as_str() {
            PRODUCER_BYTE_RATE | CONSUMER_BYTE_RATE | REQUEST_PERCENTAGE => is_client,
            CONNECTION_CREATION_RATE => !is_client,
            "controller_mutation_rate" if value.is_some() => {
                return Err(invalid(
                    "controller_mutation_rate is not supported: changes of topics are not limited",
                ));
            }
            "controller_mutation_rate" => is_client,
            _ => false,
        };
        if !known {
            return Err(invalid(format!("{name} is not a quota that this entity can have")));
        }
        let Some(value) = value else { continue };
        if !value.is_finite() || *value <= 0.0 {
            return Err(invalid(format!("{name} must be greater than 0")));
        }
        if name != REQUEST_PERCENTAGE && (value - value.round()).abs() > 1e-6 {
            return Err(invalid(format!("{name} must be a whole number")));
        }
    }
    Ok(())
}

/// The quotas that the metadata journal has.
pub(crate) fn load(metadata: &tidemill_state::Metadata) -> Arc<ClientQuotas> {
    Arc::new(ClientQuotas { by_entity: metadata.client_quotas().clone() })
}

impl Broker {
    /// The quotas in force.
    #[must_use]
    pub fn client_quotas(&self) -> Arc<ClientQuotas> {
        Arc::clone(&self.quotas.borrow())
    }

    /// Told when quotas change.
    #[must_use]
    pub fn client_quota_changes(&self) -> watch::Receiver<Arc<ClientQuotas>> {
        self.quotas.subscribe()
    }

    /// Sets (or, with none, removes) quotas.
    pub async fn alter_client_quotas(
        &self,
        entity: QuotaEntity,
        changes: Vec<(String, Option<f64>)>,
        validate_only: bool,
    ) -> Result<(), Error> {
        check(&entity, &changes)?;
        if validate_only {
            return Ok(());
        }
        let command = MetadataCommand::AlterClientQuotas { entity, changes };
        let outcome = self.journals.metadata().propose(Command::Metadata(command)).await?;
        done(outcome).map_err(|rejection| rejected(&rejection))?;
        self.quotas.send_modify(|current| {
            *current = self.journals.metadata().state(|state| load(state.metadata()));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<&str>, client_id: Option<&str>) -> QuotaEntity {
        let name = |name: &str| if name == "*" { QuotaName::Default } else { QuotaName::Named(name.into()) };
        QuotaEntity { user: user.map(name), client_id: client_id.map(name), ip: None }
    }

    #[test]
    fn the_most_precise_quota_counts() {
        let order = [
            (Some("u"), Some("c")),
            (Some("u"), Some("*")),
            (Some("u"), None),
            (Some("*"), Some("c")),
            (Some("*"), Some("*")),
            (Some("*"), None),
            (None, Some("c")),
            (None, Some("*")),
        ];
        let mut quotas = ClientQuotas::default();
        assert_eq!(quotas.of_client("u", "c", "rate"), None);
        for (rank, (user, client_id)) in order.into_iter().enumerate().rev() {
            let limits = BTreeMap::from([("rate".to_owned(), rank as f64)]);
            quotas.by_entity.insert(entity(user, client_id), limits);
            let (sharing, limit) = quotas.of_client("u", "c", "rate").unwrap();
            assert_eq!(limit, rank as f64);
            assert_eq!(sharing, entity(user.map(|_| "u"), client_id.map(|_| "c")), "named, not default");
            assert_eq!(quotas.of_client("u", "c", "other"), None);
        }
        assert_eq!(quotas.of_client("v", "d", "rate"), Some((entity(Some("v"), Some("d")), 4.0)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let user = entity(Some("u"), None);
        let ip = QuotaEntity { ip: named("10.0.0.1"), ..QuotaEntity::default() };
        let set = |name: &str, value| [(name.to_owned(), Some(value))];
        check(&user, &set(PRODUCER_BYTE_RATE, 1024.0)).unwrap();
        check(&user, &set(REQUEST_PERCENTAGE, 0.5)).unwrap();
        check(&ip, &set(CONNECTION_CREATION_RATE, 5.0)).unwrap();
        check(&user, &[("controller_mutation_rate".to_owned(), None)]).unwrap();
        for (entity, name, value) in [
            (&user, PRODUCER_BYTE_RATE, 0.0),
            (&user, PRODUCER_BYTE_RATE, 1.5),
            (&user, PRODUCER_BYTE_RATE, f64::NAN),
            (&user, CONNECTION_CREATION_RATE, 1.0),
            (&user, "controller_mutation_rate", 1.0),
            (&user, "no_such_rate", 1.0),
            (&ip, PRODUCER_BYTE_RATE, 1.0),
            (&QuotaEntity::default(), PRODUCER_BYTE_RATE, 1.0),
            (&QuotaEntity { user: named("u"), ..ip.clone() }, PRODUCER_BYTE_RATE, 1.0),
            (&QuotaEntity { ip: named("nowhere"), ..ip.clone() }, CONNECTION_CREATION_RATE, 1.0),
        ] {
            assert!(check(entity, &set(name, value)).is_err(), "{entity:?} {name}={value}");
        }
    }
}
