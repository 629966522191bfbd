//! Metrics of clients over the wire: configs, asking, pushing, and what is refused.

use crate::client::{Client, Running, alter_request, start, start_in, start_with, text};
use bytes::Bytes;
use kafka_protocol::messages::*;
use tidemill_broker::BrokerConfig;
use tidemill_kafka_server::Options;
use tokio::io::AsyncReadExt;
use uuid::Uuid;

const CLIENT_METRICS: i8 = 16;
const ZSTD: i8 = 4;

/// A gauge `m` with the value 1, as OpenTelemetry encodes it.
#[rustfmt::skip]
const GAUGE: [u8; 22] = [
    0x0a, 20, 0x12, 18, 0x12, 16, 0x0a, 1, b'm', 0x2a, 11, 0x0a, 9, 0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
];

async fn alter(client: &mut Client, name: &str, changes: &[(&str, Option<&str>)]) -> i16 {
    let request = alter_request(CLIENT_METRICS, name, changes);
    client.call(&request, 1).await.responses.remove(0).error_code
}

async fn describe(client: &mut Client, name: &str) -> Vec<(String, String, i8)> {
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(CLIENT_METRICS)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = client.call(&request, 4).await.results.remove(0);
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    let configs = result.configs.into_iter();
    configs.map(|c| (c.name.to_string(), c.value.unwrap().to_string(), c.config_source)).collect()
}

async fn listed(client: &mut Client) -> Vec<String> {
    let response = client.call(&ListConfigResourcesRequest::default(), 0).await;
    response.config_resources.into_iter().map(|resource| resource.resource_name.to_string()).collect()
}

async fn ask(client: &mut Client, id: Uuid) -> GetTelemetrySubscriptionsResponse {
    client.call(&GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id), 0).await
}

async fn push(client: &mut Client, request: &PushTelemetryRequest) -> i16 {
    client.call(request, 0).await.error_code
}

/// A broker that asks for everything, a client that knows it, and an empty push of that client.
async fn subscribed(running: &Running) -> (Client, PushTelemetryRequest) {
    let mut client = running.connect().await;
    assert_eq!(alter(&mut client, "s", &[("metrics", Some("*")), ("interval.ms", Some("100"))]).await, 0);
    let granted = ask(&mut client, Uuid::nil()).await;
    assert_eq!(granted.error_code, 0);
    let request = PushTelemetryRequest::default()
        .with_client_instance_id(granted.client_instance_id)
        .with_subscription_id(granted.subscription_id);
    (client, request)
}

async fn next_interval() {
    tokio::time::sleep(std::time::Duration::from_millis(110)).await;
}

#[tokio::test]
async fn subscriptions_are_configs_that_outlive_the_broker() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let pattern = "client_id=.*,client_software_name=java";
    let changes = [("metrics", Some("a.,b.")), ("match", Some(pattern)), ("interval.ms", Some("5000"))];
    assert_eq!(alter(&mut client, "s", &changes).await, 0);
    assert_eq!(alter(&mut client, "", &changes).await, 42);
    assert_eq!(alter(&mut client, "s", &[("interval.ms", Some("10"))]).await, 42);
    assert_eq!(alter(&mut client, "s", &[("nope", Some("10"))]).await, 42);
    assert_eq!(alter(&mut client, "s", &[("match", Some("client_id"))]).await, 40);
    let folder = running.stop().await;
    let running = start_in(folder, Options::default()).await;
    let mut client = running.connect().await;
    let set = [("interval.ms", "5000", 7), ("match", pattern, 7), ("metrics", "a.,b.", 7)];
    let set = set.map(|(name, value, source)| (name.to_owned(), value.to_owned(), source));
    assert_eq!(describe(&mut client, "s").await, set);
    assert_eq!(listed(&mut client).await, ["s"]);
    assert_eq!(alter(&mut client, "s", &changes.map(|(name, _)| (name, None))).await, 0);
    assert!(listed(&mut client).await.is_empty());
    let default = [("interval.ms", "300000", 5), ("match", "", 5), ("metrics", "", 5)];
    assert_eq!(describe(&mut client, "s").await, default.map(|(n, v, s)| (n.to_owned(), v.to_owned(), s)));
}

#[tokio::test]
async fn what_clients_push_is_shown_with_who_they_are() {
    let running = start(Options::default()).await;
    let (mut client, request) = subscribed(&running).await;
    let software = ApiVersionsRequest::default()
        .with_client_software_name(text("test-client"))
        .with_client_software_version(text("1.2"));
    client.call(&software, 3).await;
    let plain = request.clone().with_metrics(Bytes::from_static(&GAUGE));
    assert_eq!(push(&mut client, &plain).await, 0);
    next_interval().await;
    let small = request.with_compression_type(ZSTD).with_metrics(zstd(&GAUGE));
    assert_eq!(push(&mut client, &small).await, 0);
    let shown = running.broker.client_metrics_text();
    let labels = r#"client_software_name="test-client",client_software_version="1.2"} 1"#;
    assert!(shown.starts_with("# TYPE m gauge\nm{client_id=\"test\",client_instance_id="), "{shown}");
    assert!(shown.trim_end().ends_with(labels), "{shown}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let running = start(Options::default()).await;
    let (mut client, request) = subscribed(&running).await;
    let other = request.clone().with_subscription_id(request.subscription_id ^ 1);
    assert_eq!(push(&mut client, &other).await, 117);
    assert_eq!(ask(&mut client, request.client_instance_id).await.error_code, 0, "it may ask at once");
    let refusals = [
        (request.clone().with_compression_type(9), 76),
        (request.clone().with_metrics(Bytes::from(vec![0; (1 << 20) + 1])), 118),
        (request.clone().with_metrics(Bytes::from_static(b"nonsense")), 87),
        (request.clone().with_compression_type(ZSTD).with_metrics(Bytes::from_static(b"nonsense")), 87),
        (request.clone().with_compression_type(ZSTD).with_metrics(zstd(&vec![0; 64 << 20])), 118),
    ];
    for (request, code) in refusals {
        assert_eq!(push(&mut client, &request).await, code);
        assert_eq!(push(&mut client, &request).await, 89, "too early");
        next_interval().await;
    }
    assert_eq!(push(&mut client, &request.clone().with_terminating(true)).await, 0);
    next_interval().await;
    assert_eq!(push(&mut client, &request).await, 42);
    assert_eq!(push(&mut client, &request.with_client_instance_id(Uuid::nil())).await, 42);
    assert_eq!(running.broker.client_metrics_text(), "");
}

fn zstd(bytes: &[u8]) -> Bytes {
    zstd::bulk::compress(bytes, 3).unwrap().into()
}

#[tokio::test]
async fn without_room_for_metrics_the_apis_do_not_exist() {
    let config = BrokerConfig { client_metrics_max_series: 0, ..BrokerConfig::default() };
    let running = start_with(tempfile::tempdir().unwrap(), config, Options::default()).await;
    let mut client = running.connect().await;
    let served = client.call(&ApiVersionsRequest::default(), 2).await.api_keys;
    assert!(!served.iter().any(|api| [71, 72].contains(&api.api_key)));
    client.send(&GetTelemetrySubscriptionsRequest::default(), 0).await;
    assert_eq!(client.stream.read(&mut [0; 1]).await.unwrap(), 0, "the connection is closed");
}
