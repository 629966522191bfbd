//! DescribeClientQuotas, with Kafka's filters.

use kafka_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use tidemill_broker::{Error, QuotaEntity, QuotaName};

use super::config_resource::invalid;
use super::quota_entity::{component, components};
use super::text;
use crate::service::Call;

/// What a component of an entity has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Exactly(QuotaName),
    Anything,
}

/// What is wanted of each component: none if nobody asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    user: Option<Wanted>,
    client_id: Option<Wanted>,
    ip: Option<Wanted>,
    strict: bool,
}

pub(crate) async fn handle(
    call: &Call<'_>,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let response = DescribeClientQuotasResponse::default().with_error_message(None);
    let filter = match Filter::parse(&request) {
        Ok(filter) => filter,
        Err(error) => {
            return response
                .with_error_code(error.kind.kafka_code())
                .with_error_message(Some(text(error.message)))
                .with_entries(None);
        }
    };
    let quotas = call.broker().client_quotas();
    let found = quotas.by_entity().iter().filter(|(entity, _)| filter.matches(entity));
    let entries = found.map(|(entity, values)| {
        let entity = components(entity).map(|(kind, name)| {
            EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
        });
        let values =
            values.iter().map(|(key, value)| ValueData::default().with_key(text(key)).with_value(*value));
        EntryData::default().with_entity(entity.collect()).with_values(values.collect())
    });
    response.with_entries(Some(entries.collect()))
}

impl Filter {
    fn parse(request: &DescribeClientQuotasRequest) -> Result<Filter, Error> {
        let mut filter = Filter { strict: request.strict, ..Filter::default() };
        let mut named = QuotaEntity::default();
        for asked in &request.components {
            let wanted = match (asked.match_type, &asked._match) {
                (0, Some(name)) => Wanted::Exactly(QuotaName::Named(name.to_string())),
                (1, None) => Wanted::Exactly(QuotaName::Default),
                (2, None) => Wanted::Anything,
                _ => return Err(invalid("the match makes no sense")),
            };
            if component(&mut named, &asked.entity_type)?.replace(QuotaName::Default).is_some() {
                return Err(invalid(format!("{} is named twice", &*asked.entity_type)));
            }
            match &*asked.entity_type {
                "user" => filter.user = Some(wanted),
                "client-id" => filter.client_id = Some(wanted),
                _ => filter.ip = Some(wanted),
            }
        }
        if filter.ip.is_some() && (filter.user.is_some() || filter.client_id.is_some()) {
            return Err(invalid("an address cannot be combined with a user or a client id"));
        }
        Ok(filter)
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let pairs =
            [(&self.user, &entity.user), (&self.client_id, &entity.client_id), (&self.ip, &entity.ip)];
        pairs.into_iter().all(|(wanted, name)| match (wanted, name) {
            (None, name) => !self.strict || name.is_none(),
            (Some(_), None) => false,
            (Some(Wanted::Anything), Some(_)) => true,
            (Some(Wanted::Exactly(wanted)), Some(name)) => wanted == name,
        })
    }
}
