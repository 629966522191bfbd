//! AlterClientQuotas.

use kafka_protocol::messages::alter_client_quotas_request::EntryData as Asked;
use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use tidemill_broker::{Error, QuotaEntity, QuotaName};

use super::config_resource::invalid;
use super::quota_entity::component;
use super::text;
use crate::codes;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let mut entries = Vec::with_capacity(request.entries.len());
    for asked in request.entries {
        let result = alter(call, &asked, request.validate_only).await;
        let entity = asked.entity.into_iter().map(|one| {
            EntityData::default().with_entity_type(one.entity_type).with_entity_name(one.entity_name)
        });
        let (code, message) = match result {
            Ok(()) => (codes::NONE, None),
            Err(error) => (error.kind.kafka_code(), Some(text(error.message))),
        };
        let entry = EntryData::default().with_entity(entity.collect());
        entries.push(entry.with_error_code(code).with_error_message(message));
    }
    AlterClientQuotasResponse::default().with_entries(entries)
}

async fn alter(call: &Call<'_>, asked: &Asked, validate_only: bool) -> Result<(), Error> {
    let mut entity = QuotaEntity::default();
    for one in &asked.entity {
        let name = one.entity_name.as_ref().map(|name| QuotaName::Named(name.to_string()));
        if component(&mut entity, &one.entity_type)?.replace(name.unwrap_or(QuotaName::Default)).is_some() {
            return Err(invalid(format!("the entity has two names of type {}", &*one.entity_type)));
        }
    }
    let changes = asked.ops.iter().map(|op| (op.key.to_string(), (!op.remove).then_some(op.value)));
    call.broker().alter_client_quotas(entity, changes.collect(), validate_only).await
}
