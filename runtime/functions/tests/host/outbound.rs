//! What sinks may send, and where to.

use crate::guests::{Guest, Setup, host, module, values};
use crate::receiver::{Receiver, answer, serve};
use std::io::Write;
use std::time::{Duration, Instant};
use tidemill_functions::CallError;

async fn sink(mode: &str, receiver: &Receiver) -> (Result<(), CallError>, Guest) {
    let address = receiver.address.to_string();
    sink_to(Setup::mode(mode).set("url", &format!("http://{address}/hook?a=b")).allow(&address)).await
}

async fn sink_to(setup: Setup) -> (Result<(), CallError>, Guest) {
    let module = module(&host(), "sink").await;
    let mut guest = setup.of(&module);
    let result = guest.sink(&values(["one", "two"])).await;
    (result, guest)
}

fn failure(result: Result<(), CallError>) -> (String, bool) {
    match result.unwrap_err() {
        CallError::Failed { message, retry, .. } => (message, retry),
        other => panic!("no failure but {other:?}"),
    }
}

#[tokio::test]
async fn a_request_carries_everything() {
    let receiver = serve(|_, stream| answer(stream, 200, "thanks"));
    let (result, guest) = sink("post", &receiver).await;
    result.unwrap();
    let received = receiver.requests.recv().unwrap();
    assert!(received.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{}", received.head);
    assert!(received.head.contains("delivery-id: test-delivery\r\n"), "{}", received.head);
    assert!(received.head.contains("content-type: text/plain\r\n"), "{}", received.head);
    assert_eq!(received.body, b"one\ntwo\n");
    assert_eq!(guest.logged(), ["info answered 200: thanks"]);
}

#[tokio::test]
async fn a_large_body_gets_through() {
    let receiver = serve(|_, stream| answer(stream, 204, ""));
    sink("large", &receiver).await.0.unwrap();
    assert_eq!(receiver.requests.recv().unwrap().body.len(), 5_000_000);
}

#[tokio::test]
async fn answers_say_whether_to_try_again() {
    let receiver = serve(|_, stream| answer(stream, 503, "busy"));
    let (message, retry) = failure(sink("post", &receiver).await.0);
    assert!(message.contains("503: busy") && retry, "{message}");
    let receiver = serve(|_, stream| answer(stream, 400, "what?"));
    assert!(!failure(sink("post", &receiver).await.0).1);
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let setup = Setup::mode("post").set("url", &format!("http://{gone}/")).allow(&gone);
    let (message, retry) = failure(sink_to(setup).await.0);
    assert!(retry, "{message}");
}

#[tokio::test]
async fn hosts_that_are_not_allowed_are_never_reached() {
    let receiver = serve(|_, stream| answer(stream, 200, ""));
    let address = receiver.address.to_string();
    let url = format!("http://{address}/");
    for allowed in ["example.com", "127.0.0.1", "127.0.0.1:1", "localhost"] {
        let (result, guest) = sink_to(Setup::mode("post").set("url", &url).allow(allowed)).await;
        let (message, retry) = failure(result);
        assert!(message.contains("--allow-http") && !retry, "{message}");
        assert!(guest.logged()[0].contains(&format!("a request to {address} was refused")));
    }
    let disguised = format!("http://127.0.0.1:1@{address}/");
    let (result, _) = sink_to(Setup::mode("post").set("url", &disguised).allow("127.0.0.1:1")).await;
    assert!(!failure(result).1);
    assert!(receiver.requests.try_recv().is_err());
}

#[tokio::test]
async fn redirects_are_checked_like_any_request() {
    let forbidden = serve(|_, stream| answer(stream, 200, ""));
    let target = format!("http://{}/secret", forbidden.address);
    let redirecting = serve(move |_, stream| {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: {}", target.len());
        let _ = write!(stream, "{head}\r\nconnection: close\r\n\r\n{target}");
    });
    // The host does not follow; a guest that does is stopped.
    let (message, _) = failure(sink("post", &redirecting).await.0);
    assert!(message.contains("302"), "{message}");
    let (message, _) = failure(sink("follow", &redirecting).await.0);
    assert!(message.contains("--allow-http"), "{message}");
    assert!(forbidden.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_says_nothing_costs_the_deadline_and_no_thread() {
    let receiver = serve(|_, _| std::thread::sleep(Duration::from_secs(60)));
    let address = receiver.address.to_string();
    let host = host();
    let (sinks, transforms) = (module(&host, "sink").await, module(&host, "transform").await);
    let setup = |mode| Setup::mode(mode).set("url", &format!("http://{address}/")).allow(&address);
    let start = Instant::now();
    let mut waiting = Vec::new();
    // More of them than the host has workers.
    for _ in 0..6 {
        let mut guest = setup("patient").deadline_ms(1_500).of(&sinks);
        waiting.push(tokio::spawn(async move { guest.sink(&values(["a"])).await }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut polite = Setup::mode("copy").of(&transforms);
    polite.transform(&values(["a"])).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(1_500), "a waiting sink holds a worker");
    for sink in waiting {
        let error = sink.await.unwrap().unwrap_err();
        let timed_out = matches!(&error, CallError::Failed { retry: true, .. })
            || error == CallError::DeadlineExceeded { deadline_ms: 1_500 };
        assert!(timed_out, "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    let (_, retry) = failure(setup("brief").of(&sinks).sink(&values(["a"])).await);
    assert!(retry);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let receiver = serve(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    let address = receiver.address.to_string();
    let setup = Setup::mode("patient").set("url", &format!("http://{address}/")).allow(&address);
    let (result, _) = sink_to(setup.memory_bytes(256 << 20).deadline_ms(20_000)).await;
    let (message, _) = failure(result);
    assert!(message.contains("reading the answer"), "{message}");
}
