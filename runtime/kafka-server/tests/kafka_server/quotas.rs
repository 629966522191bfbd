//! Quotas over the wire: set, described, and felt by the client they are for, and by nobody else.

use std::time::Duration;

use crate::client::{Client, Running, fetch_request, produce_request, start, text, values};
use kafka_protocol::messages::*;
use tidemill_kafka_server::Options;
use tokio::io::AsyncReadExt;

/// Type and name of an entity's component; no name for the default.
type Component<'a> = (&'a str, Option<&'a str>);

/// Sets or removes a quota. Answers the error code.
async fn alter(client: &mut Client, entity: &[Component<'_>], quota: &str, value: Option<f64>) -> i16 {
    let entity = entity.iter().map(|(kind, name)| {
        alter_client_quotas_request::EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text))
    });
    let op = alter_client_quotas_request::OpData::default()
        .with_key(text(quota))
        .with_value(value.unwrap_or(0.0))
        .with_remove(value.is_none());
    let entry = alter_client_quotas_request::EntryData::default();
    let entry = entry.with_entity(entity.collect()).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    client.call(&request, 1).await.entries[0].error_code
}

/// A broker whose only client in these tests, `test`, has a quota.
async fn limited(quota: &str, limit: f64) -> (Running, Client) {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    assert_eq!(alter(&mut client, &[("client-id", Some("test"))], quota, Some(limit)).await, 0);
    (running, client)
}

#[tokio::test]
async fn a_producer_over_its_quota_is_told_and_not_heard_for_a_while() {
    let (running, mut client) = limited("producer_byte_rate", 1000.0).await;
    let value = "x".repeat(4_000);
    let produce = produce_request("t", &[&value], -1);
    assert_eq!(client.call(&produce, 9).await.throttle_time_ms, 0, "a burst is allowed");
    client.call(&produce, 9).await;
    let response = client.call(&produce, 9).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0, "it is written all the same");
    assert!((1_000..5_000).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
    let id = client.send(&ApiVersionsRequest::default(), 0).await;
    let early = tokio::time::timeout(Duration::from_millis(300), client.stream.peek(&mut [0; 1])).await;
    assert!(early.is_err(), "the connection is muted");
    let mut other = running.connect().await;
    assert_eq!(other.fetch_values("t", 0).await.len(), 3, "nobody else waits");
    client.receive::<ApiVersionsRequest>(id, 0).await;
}

#[tokio::test]
async fn a_quota_of_somebody_else_is_not_felt() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    assert_eq!(alter(&mut client, &[("client-id", Some("other"))], "producer_byte_rate", Some(1.0)).await, 0);
    assert_eq!(alter(&mut client, &[("client-id", None)], "producer_byte_rate", Some(1.0)).await, 0);
    assert_eq!(alter(&mut client, &[("user", None)], "producer_byte_rate", Some(1e9)).await, 0);
    let value = "x".repeat(50_000);
    let response = client.call(&produce_request("t", &[&value], -1), 9).await;
    assert_eq!(response.throttle_time_ms, 0, "the user's quota is more precise");
}

#[tokio::test]
async fn a_consumer_over_its_quota_gets_nothing_until_it_is_not() {
    let (running, mut client) = limited("consumer_byte_rate", 1000.0).await;
    let value = "x".repeat(12_000);
    client.produce("t", &[&value]).await;
    let first = client.call(&fetch_request("t", 0, 0), 12).await;
    assert_eq!(values(&first).len(), 1, "a batch that is larger than the quota comes through");
    assert!(first.throttle_time_ms > 1_000);
    let mut same = running.connect().await;
    let second = same.call(&fetch_request("t", 0, 0), 12).await;
    assert!(second.responses.is_empty() && second.throttle_time_ms > 0);
    assert_eq!(alter(&mut client, &[("client-id", Some("test"))], "consumer_byte_rate", None).await, 0);
    assert_eq!(same.fetch_values("t", 0).await.len(), 1);
}

#[tokio::test]
async fn time_spent_on_requests_can_be_limited() {
    let (_running, mut client) = limited("request_percentage", 0.000_001).await;
    let response = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    assert!((1..=1000).contains(&response.throttle_time_ms), "{}", response.throttle_time_ms);
    let own = [("client-id", Some("test"))];
    assert_eq!(alter(&mut client, &own, "request_percentage", None).await, 0);
    let response = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    assert_eq!(response.throttle_time_ms, 0);
}

#[tokio::test]
async fn an_address_may_connect_so_often_only() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let own = [("ip", Some("127.0.0.1"))];
    assert_eq!(alter(&mut client, &own, "connection_creation_rate", Some(1.0)).await, 0);
    let mut turned_away = 0;
    for _ in 0..15 {
        let mut other = running.connect().await;
        let request = crate::client::frame(&ApiVersionsRequest::default(), 0, 1);
        tokio::io::AsyncWriteExt::write_all(&mut other.stream, &request).await.unwrap();
        let wait = Duration::from_millis(500);
        let answered = tokio::time::timeout(wait, other.stream.read(&mut [0; 1])).await;
        turned_away += usize::from(!answered.is_ok_and(|read| read.is_ok_and(|bytes| bytes > 0)));
    }
    assert!((1..15).contains(&turned_away), "{turned_away}");
}

#[tokio::test]
async fn quotas_are_described_by_filter() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    let all: [&[Component<'_>]; 4] = [
        &[("user", Some("u"))],
        &[("user", None)],
        &[("user", Some("u")), ("client-id", None)],
        &[("ip", Some("10.0.0.1"))],
    ];
    for entity in all {
        let quota = if entity[0].0 == "ip" { "connection_creation_rate" } else { "consumer_byte_rate" };
        assert_eq!(alter(&mut client, entity, quota, Some(1e9)).await, 0);
    }
    for wrong in [&[("planet", Some("x"))][..], &[], &[("user", Some("u")), ("ip", None)]] {
        assert_eq!(alter(&mut client, wrong, "consumer_byte_rate", Some(1e9)).await, 42);
    }
    let mut found = Vec::new();
    for (kind, match_type, name, strict) in [
        ("user", 0, Some("u"), false),
        ("user", 0, Some("u"), true),
        ("user", 1, None, false),
        ("user", 2, None, false),
        ("client-id", 1, None, false),
        ("ip", 2, None, true),
        ("planet", 2, None, false),
    ] {
        let component = describe_client_quotas_request::ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(match_type)
            .with_match(name.map(text));
        let request =
            DescribeClientQuotasRequest::default().with_components(vec![component]).with_strict(strict);
        let response = client.call(&request, 1).await;
        found.push(response.entries.map_or(-1, |entries| entries.len() as i32));
    }
    assert_eq!(found, [2, 1, 1, 3, 1, 1, -1]);
    let everything = client.call(&DescribeClientQuotasRequest::default(), 1).await;
    assert_eq!(everything.entries.unwrap().len(), 4);
}
