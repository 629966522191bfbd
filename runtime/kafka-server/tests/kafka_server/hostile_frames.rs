//! Frames that are no requests: the connection is closed, and the server goes on.

use std::time::Duration;

use crate::client::{Running, start};
use kafka_protocol::messages::ApiVersionsRequest;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidemill_kafka_server::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn short() -> Options {
    Options { stall_timeout: Duration::from_millis(300), request_max_bytes: 1 << 20, ..Options::default() }
}

/// Sends bytes and waits until the server closes the connection, or says nothing for a while.
async fn send(running: &Running, bytes: &[u8]) -> bool {
    let mut client = running.connect().await;
    let _ = client.stream.write_all(bytes).await;
    let mut sink = Vec::new();
    timeout(Duration::from_secs(5), client.stream.read_to_end(&mut sink)).await.is_ok()
}

async fn is_alive(running: &Running) -> bool {
    let mut client = running.connect().await;
    let response = client.call(&ApiVersionsRequest::default(), 0).await;
    response.error_code == 0 && !response.api_keys.is_empty()
}

#[tokio::test]
async fn bad_lengths_and_half_frames_close_the_connection() {
    let running = start(short()).await;
    for bad in [
        &[0x7f, 0xff, 0xff, 0xff][..],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x00, 0x10, 0x00, 0x01],
        &[0, 0, 0, 0],
        &[0, 0, 0, 9, 1, 2],
        // An API that nobody knows, one that is not served, a version of one that is not served.
        &[0, 0, 0, 10, 3, 255, 0, 0, 0, 0, 0, 1, 255, 255],
        &[0, 0, 0, 10, 0, 17, 0, 0, 0, 0, 0, 1, 255, 255],
        &[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 255, 255],
        // Metadata 1 with two billion topics.
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 0x7f, 0xff, 0xff, 0xff],
    ] {
        assert!(send(&running, bad).await, "{bad:?} is tolerated");
        assert!(is_alive(&running).await);
    }
}

#[tokio::test]
async fn too_many_connections_are_refused_and_room_is_given_back() {
    let running = start(Options { max_connections: 2, ..Options::default() }).await;
    let held = (running.connect().await, running.connect().await);
    let mut third = running.connect().await;
    assert_eq!(third.stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    drop(held);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut client = running.connect().await;
        let request = crate::client::frame(&ApiVersionsRequest::default(), 0, 1);
        if client.stream.write_all(&request).await.is_ok() && client.receive_frame().await.is_some() {
            return;
        }
    }
    panic!("no room is given back");
}

#[tokio::test]
async fn a_connection_that_says_nothing_for_too_long_is_closed() {
    let running = start(Options { idle_timeout: Duration::from_millis(200), ..Options::default() }).await;
    let mut client = running.connect().await;
    let closed = timeout(Duration::from_secs(10), client.stream.read(&mut [0; 1])).await;
    assert_eq!(closed.unwrap().unwrap_or(0), 0);
    assert!(is_alive(&running).await);
}

#[test]
fn random_bytes_never_bring_the_server_down() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let running = runtime.block_on(start(short()));
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let frames = (any::<bool>(), 0..80i16, 0..20i16, bytes).prop_map(|(framed, api, version, bytes)| {
        if !framed {
            return bytes;
        }
        let length = i32::try_from(bytes.len() + 10).unwrap();
        let head =
            [&length.to_be_bytes()[..], &api.to_be_bytes(), &version.to_be_bytes(), &[0, 0, 0, 1, 255, 255]];
        [head.concat(), bytes].concat()
    });
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&frames, |frame| {
        runtime.block_on(async {
            let mut client = running.connect().await;
            let _ = client.stream.write_all(&frame).await;
            let _ = client.stream.shutdown().await;
            let mut sink = Vec::new();
            let _ = timeout(Duration::from_secs(5), client.stream.read_to_end(&mut sink)).await;
        });
        prop_assert!(runtime.block_on(is_alive(&running)));
        Ok(())
    });
    result.unwrap();
}
