//! ListConfigResources: what has configs. Version 0 asks for metrics of clients only.

use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::config_resource::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use super::text;
use crate::codes;
use crate::service::Call;

const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(crate) async fn handle(
    call: &Call<'_>,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let response = ListConfigResourcesResponse::default();
    let client_metrics = call.broker().client_metrics_subscriptions().into_iter();
    let client_metrics = client_metrics.map(|name| resource(CLIENT_METRICS, &name));
    if call.version() == 0 {
        return response.with_config_resources(client_metrics.collect());
    }
    if request.resource_types.iter().any(|code| !ALL.contains(code)) {
        return response.with_error_code(codes::UNSUPPORTED_VERSION);
    }
    let asked = |code: i8| request.resource_types.is_empty() || request.resource_types.contains(&code);
    let mut resources = Vec::new();
    if asked(TOPIC) {
        resources.extend(call.broker().topics().iter().map(|topic| resource(TOPIC, &topic.name)));
    }
    for code in [BROKER, BROKER_LOGGER].into_iter().filter(|code| asked(*code)) {
        resources.push(resource(code, &call.node_id().to_string()));
    }
    if asked(CLIENT_METRICS) {
        resources.extend(client_metrics);
    }
    response.with_config_resources(resources)
}

fn resource(code: i8, name: &str) -> ConfigResource {
    ConfigResource::default().with_resource_type(code).with_resource_name(text(name))
}
