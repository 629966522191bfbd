//! DescribeConfigs: of topics, of this broker, of what was set on all brokers, of metrics of clients.

use std::collections::HashSet;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_broker::{ConfigEntry, Error};

use super::config_resource::{Resource, kind_code, source_code};
use super::text;
use crate::service::Call;

pub(crate) async fn handle(call: &Call<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    // A resource that is named a thousand times is described once.
    let mut seen = HashSet::new();
    let resources = request.resources.iter();
    let resources = resources.filter(|r| seen.insert((r.resource_type, r.resource_name.clone())));
    let results = resources.map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe(call, &request, resource) {
            Ok(configs) => result.with_configs(configs),
            Err(error) => {
                result.with_error_code(error.kind.kafka_code()).with_error_message(Some(text(error.message)))
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(
    call: &Call<'_>,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Error> {
    let entries = Resource::parse(call, resource.resource_type, &resource.resource_name)?.describe(call)?;
    let wanted: Option<HashSet<&str>> =
        resource.configuration_keys.as_ref().map(|keys| keys.iter().map(|key| &**key).collect());
    let wanted = |name: &str| wanted.as_ref().is_none_or(|keys| keys.contains(name));
    let entries = entries.into_iter().filter(|entry| wanted(&entry.name));
    Ok(entries.map(|entry| result(call.version(), request, entry)).collect())
}

fn result(
    version: i16,
    request: &DescribeConfigsRequest,
    entry: ConfigEntry,
) -> DescribeConfigsResourceResult {
    let shown = |value: String| (!entry.sensitive).then(|| text(value));
    let synonyms = entry.synonyms.into_iter().filter(|_| request.include_synonyms);
    let synonyms = synonyms.map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(synonym.name))
            .with_value(shown(synonym.value))
            .with_source(source_code(synonym.source))
    });
    let result = DescribeConfigsResourceResult::default()
        .with_synonyms(synonyms.collect())
        .with_name(text(entry.name))
        .with_value(shown(entry.value))
        .with_read_only(entry.read_only)
        .with_is_sensitive(entry.sensitive)
        .with_config_source(source_code(entry.source));
    if version < 3 {
        return result;
    }
    let documentation = request.include_documentation.then(|| StrBytes::from_static_str(entry.doc));
    result.with_config_type(kind_code(entry.kind)).with_documentation(documentation)
}
