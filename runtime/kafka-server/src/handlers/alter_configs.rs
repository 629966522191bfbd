//! AlterConfigs: replaces all configs of a resource. Tools use IncrementalAlterConfigs instead.

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use tidemill_broker::Error;

use super::config_resource::{Changes, Resource, invalid, named_twice};
use super::text;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    let twice = named_twice(request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    for resource in &request.resources {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let result = if twice.contains(&(resource.resource_type, resource.resource_name.as_str())) {
            Err(invalid("the request names this resource more than once"))
        } else {
            alter(call, resource, request.validate_only).await
        };
        responses.push(match result {
            Ok(()) => response,
            Err(error) => response
                .with_error_code(error.kind.kafka_code())
                .with_error_message(Some(text(error.message))),
        });
    }
    AlterConfigsResponse::default().with_responses(responses)
}

async fn alter(call: &Call<'_>, asked: &AlterConfigsResource, validate_only: bool) -> Result<(), Error> {
    let resource = Resource::parse(call, asked.resource_type, &asked.resource_name)?;
    let mut changes: Changes = resource.own(call)?.into_iter().map(|name| (name, None)).collect();
    for config in &asked.configs {
        let value = config.value.as_ref();
        let value = value.ok_or_else(|| invalid(format!("{} has no value", &*config.name)))?;
        changes.retain(|(name, _)| *name != *config.name);
        changes.push((config.name.to_string(), Some(value.to_string())));
    }
    resource.alter(call, changes, validate_only).await
}
