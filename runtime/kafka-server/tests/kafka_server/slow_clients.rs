//! Clients that send slowly, send half a frame, never read, or say nothing: nobody else waits for
//! them, and they take little memory.

use std::time::Duration;

use crate::client::{Client, Running, fetch_request, frame, produce_request, start};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest};
use tidemill_kafka_server::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

fn metric(running: &Running, series: &str) -> usize {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &running.broker.metrics().lock()).unwrap();
    let line = text.lines().find(|line| line.starts_with(series));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Somebody else is served.
async fn is_served(client: &mut Client) {
    let request = ApiVersionsRequest::default();
    assert_eq!(timeout(LONG, client.call(&request, 0)).await.expect("an answer").error_code, 0);
}

async fn is_closed(client: &mut Client) {
    let mut rest = Vec::new();
    let _ = timeout(LONG, client.stream.read_to_end(&mut rest)).await.expect("the connection ends");
}

#[tokio::test]
async fn half_a_frame_holds_nobody_up_and_ends() {
    let stall_timeout = Duration::from_millis(500);
    let running = start(Options { stall_timeout, request_memory_bytes: 1 << 20, ..Options::default() }).await;
    let mut other = running.connect().await;
    other.create("t").await;
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let mut client = running.connect().await;
        // It announces 50 MB, fifty times what all requests together may have, and sends ten bytes.
        client.stream.write_all(&(50i32 << 20).to_be_bytes()).await.unwrap();
        client.stream.write_all(&[0; 10]).await.unwrap();
        stuck.push(client);
    }
    for _ in 0..20 {
        is_served(&mut other).await;
        let large = "x".repeat(300_000);
        let produced = timeout(LONG, other.produce("t", &[&large])).await.expect("an answer");
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }
    for client in &mut stuck {
        is_closed(client).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_byte_by_byte_is_served_beside_others() {
    let running = start(Options::default()).await;
    let (mut slow, mut other) = (running.connect().await, running.connect().await);
    let bytes = frame(&MetadataRequest::default().with_topics(Some(vec![])), 12, 7);
    for byte in &bytes {
        slow.stream.write_all(&[*byte]).await.unwrap();
        is_served(&mut other).await;
    }
    let answer = timeout(LONG, slow.receive_frame()).await.expect("an answer").expect("a frame");
    assert_eq!(answer[..4], 7i32.to_be_bytes());
}

#[tokio::test]
async fn who_never_reads_has_one_answer_in_memory_and_holds_nobody_up() {
    let running = start(Options::default()).await;
    let (mut stuck, mut other) = (running.connect().await, running.connect().await);
    other.create("t").await;
    let value = "x".repeat(900_000);
    other.produce("t", &[&value]).await;
    let request = frame(&fetch_request("t", 0, 0), 12, 1);
    let asked = 400;
    let flood = tokio::spawn(async move {
        for _ in 0..asked {
            if stuck.stream.write_all(&request).await.is_err() {
                break;
            }
        }
        stuck
    });
    let fetches = r#"tidemill_kafka_requests_total{api="Fetch"}"#;
    let (mut served, mut still) = (0, 0);
    while still < 20 {
        assert_eq!(timeout(LONG, other.fetch_values("t", 0)).await.expect("an answer").len(), 1);
        let now = metric(&running, fetches);
        // One of them is the other client's own.
        still = if now == served + 1 { still + 1 } else { 0 };
        served = now;
        assert!(metric(&running, "tidemill_kafka_response_bytes") < 2_000_000, "more than one each");
    }
    // What the sockets hold was served, and one more; the rest of the requests was not even taken in.
    assert!(served < asked, "{served} fetches were served");
    drop(flood.await.unwrap());
    while metric(&running, "tidemill_kafka_response_bytes") > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn many_who_never_read_take_no_more_memory_than_there_is() {
    let response_memory_bytes = 4 << 20;
    let running = start(Options { response_memory_bytes, ..Options::default() }).await;
    let mut other = running.connect().await;
    other.create("t").await;
    let value = "x".repeat(900_000);
    other.produce("t", &[&value]).await;
    let mut stuck = Vec::new();
    for _ in 0..40 {
        let mut client = running.connect().await;
        // What the socket takes would not be in our memory: more is asked for.
        for number in 0..4 {
            client.stream.write_all(&frame(&fetch_request("t", 0, 0), 12, number)).await.unwrap();
        }
        stuck.push(client);
        assert_eq!(timeout(LONG, other.fetch_values("t", 0)).await.expect("an answer").len(), 1);
        let held = metric(&running, "tidemill_kafka_response_bytes");
        // A fetch always gets its first batch: one answer may be on its way beyond the limit.
        assert!(held < response_memory_bytes + 2_000_000, "{held} bytes are held for those who do not read");
    }
    // While memory is short, those who do not read are closed; half of it is left to them.
    while metric(&running, "tidemill_kafka_response_bytes") > response_memory_bytes / 2 {
        assert_eq!(timeout(LONG, other.fetch_values("t", 0)).await.expect("an answer").len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(stuck);
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let running = start(Options::default()).await;
    let mut client = running.connect().await;
    client.create("t").await;
    for round in 0..20 {
        let produce = client.send(&produce_request("t", &["a"], -1), 9).await;
        let fetch = client.send(&fetch_request("t", round * 2, 1_000), 12).await;
        let metadata = client.send(&MetadataRequest::default(), 12).await;
        let second = client.send(&produce_request("t", &["b"], -1), 9).await;
        let produced = client.receive::<ProduceRequest>(produce, 9).await;
        assert_eq!(produced.responses[0].partition_responses[0].base_offset, round * 2);
        let fetched = client.receive::<FetchRequest>(fetch, 12).await;
        assert_eq!(crate::client::values(&fetched), ["a"], "it sees what came before it, and not after");
        client.receive::<MetadataRequest>(metadata, 12).await;
        client.receive::<ProduceRequest>(second, 9).await;
    }
}

#[tokio::test]
async fn who_says_nothing_is_closed_but_not_while_it_waits_for_an_answer() {
    let running = start(Options { idle_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let (mut silent, mut waiting) = (running.connect().await, running.connect().await);
    waiting.create("t").await;
    let fetch = waiting.send(&fetch_request("t", 0, 60_000), 12).await;
    is_served(&mut silent).await;
    is_closed(&mut silent).await;
    let mut writer = running.connect().await;
    writer.produce("t", &["x"]).await;
    let fetched = waiting.receive::<FetchRequest>(fetch, 12).await;
    assert_eq!(crate::client::values(&fetched), ["x"]);
}
