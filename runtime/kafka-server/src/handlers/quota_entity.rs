//! Whom a quota is for, on the wire: pairs of a type and a name, null for the default.

use tidemill_broker::{Error, ErrorKind, QuotaEntity, QuotaName};

/// Kafka's types of entities.
const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// The component of an entity that a type names.
pub(super) fn component<'a>(
    entity: &'a mut QuotaEntity,
    kind: &str,
) -> Result<&'a mut Option<QuotaName>, Error> {
    match kind {
        USER => Ok(&mut entity.user),
        CLIENT_ID => Ok(&mut entity.client_id),
        IP => Ok(&mut entity.ip),
        other => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("quotas of entity type {other:?} are not known"),
        )),
    }
}

/// The components that an entity has, with their types; no name for the default.
pub(super) fn components(entity: &QuotaEntity) -> impl Iterator<Item = (&'static str, Option<&str>)> {
    let all = [(USER, &entity.user), (CLIENT_ID, &entity.client_id), (IP, &entity.ip)];
    all.into_iter().filter_map(|(kind, name)| match name.as_ref()? {
        QuotaName::Default => Some((kind, None)),
        QuotaName::Named(name) => Some((kind, Some(name.as_str()))),
    })
}
