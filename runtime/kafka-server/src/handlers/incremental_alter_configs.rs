//! IncrementalAlterConfigs: sets and resets single configs of a resource, adds to lists and
//! takes from them.

use std::collections::HashSet;

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use tidemill_broker::{ConfigEntry, Error, ErrorKind, ValueKind};

use super::config_resource::{Changes, Resource, invalid, named_twice};
use super::text;
use crate::service::Call;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn handle(
    call: &Call<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(call: &Call<'_>, asked: &AlterConfigsResource, validate_only: bool) -> Result<(), Error> {
    let resource = Resource::parse(call, asked.resource_type, &asked.resource_name)?;
    let current = resource.describe(call)?;
    let mut named = HashSet::new();
    let mut changes = Changes::with_capacity(asked.configs.len());
    for config in &asked.configs {
        if !named.insert(&config.name) {
            return Err(invalid(format!("the request changes {} more than once", &*config.name)));
        }
        changes.push((config.name.to_string(), new_value(config, &current)?));
    }
    resource.alter(call, changes, validate_only).await
}

/// The value after the operation; none to reset it.
fn new_value(config: &AlterableConfig, current: &[ConfigEntry]) -> Result<Option<String>, Error> {
    if config.config_operation == DELETE {
        return Ok(None);
    }
    let value = config.value.as_ref();
    let value = value.ok_or_else(|| invalid(format!("{} has no value", &*config.name)))?;
    if config.config_operation == SET {
        return Ok(Some(value.to_string()));
    }
    let entry = current.iter().find(|entry| entry.name == *config.name && entry.kind == ValueKind::List);
    let entry = entry
        .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, format!("{} is not a list", &*config.name)))?;
    let given: Vec<&str> = value.split(',').map(str::trim).collect();
    let mut words: Vec<&str> =
        entry.value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    match config.config_operation {
        APPEND => {
            let new: Vec<&str> = given.into_iter().filter(|word| !words.contains(word)).collect();
            words.extend(new);
        }
        SUBTRACT => words.retain(|word| !given.contains(word)),
        other => {
            return Err(invalid(format!("operation {other} is not known")));
        }
    }
    Ok(Some(words.join(",")))
}
