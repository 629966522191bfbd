//! Settings that limit what clients may take: they do.

use std::time::Duration;

use crate::client::{Client, Running, alter_request, frame, produce_request, start_with};
use kafka_protocol::messages::*;
use tidemill_broker::BrokerConfig;
use tidemill_kafka_server::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

async fn start(config: BrokerConfig) -> Running {
    let options = Options::from_config(&config);
    start_with(tempfile::tempdir().unwrap(), config, options).await
}

async fn set(client: &mut Client, name: &str, value: &str) -> i16 {
    let request = alter_request(4, "1", &[(name, Some(value))]);
    client.call(&request, 1).await.responses.remove(0).error_code
}

/// Whether one more connection is served.
async fn may_connect(running: &Running) -> Option<Client> {
    let mut client = running.connect().await;
    let frame = frame(&ApiVersionsRequest::default(), 0, 1);
    // A connection that is refused is closed, maybe before the request was sent.
    let _ = client.stream.write_all(&frame).await;
    let served = timeout(LONG, client.stream.read_i32()).await.expect("an answer or the end").is_ok();
    served.then_some(client)
}

#[tokio::test]
async fn connections_of_one_address_are_limited() {
    let config = BrokerConfig { max_connections_per_ip: 2, ..BrokerConfig::default() };
    let running = start(config).await;
    let mut first = running.connect().await;
    let second = may_connect(&running).await.expect("two may");
    assert!(may_connect(&running).await.is_none(), "a third may not");
    drop(second);
    let mut second = None;
    for _ in 0..100 {
        second = may_connect(&running).await;
        if second.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(second.is_some(), "a place became free");
    assert_eq!(set(&mut first, "max.connections.per.ip.overrides", "10.0.0.1:9,127.0.0.1:3").await, 0);
    let third = may_connect(&running).await;
    assert!(third.is_some() && may_connect(&running).await.is_none(), "this address may have three now");
    for wrong in ["127.0.0.1", "127.0.0.1:x", ":3"] {
        assert_eq!(set(&mut first, "max.connections.per.ip.overrides", wrong).await, 42, "{wrong}");
    }
    assert_eq!(set(&mut first, "max.connections.per.ip", "0").await, 0, "the override lets this one in");
    assert_eq!(set(&mut first, "max.connections.per.ip.overrides", "").await, 42, "nobody could connect");
}

/// Announces a request of so many bytes, and sends them but for the last.
async fn almost(running: &Running, bytes: usize) -> Client {
    let mut client = running.connect().await;
    client.stream.write_all(&(bytes as i32).to_be_bytes()).await.unwrap();
    client.stream.write_all(&vec![0; bytes - 1]).await.unwrap();
    client
}

#[tokio::test]
async fn requests_beyond_the_memory_for_them_are_not_read_yet() {
    let config = BrokerConfig { queued_max_request_bytes: 1 << 20, ..BrokerConfig::default() };
    let running = start(config).await;
    running.connect().await.create("t").await;
    let first = almost(&running, 900_000).await;
    // One request more than there is memory for is read, so that any size can come through.
    let second = almost(&running, 900_000).await;
    tokio::time::sleep(SHORT).await;
    let mut third = running.connect().await;
    let value = "x".repeat(500_000);
    let id = third.send(&produce_request("t", &[&value], -1), 9).await;
    let early = timeout(SHORT, third.stream.peek(&mut [0; 1])).await;
    assert!(early.is_err(), "it was read although there is no memory");
    drop((first, second));
    let produced = timeout(LONG, third.receive::<ProduceRequest>(id, 9)).await.expect("it is read now");
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
}
