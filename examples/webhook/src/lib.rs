//! POSTs records as a JSON array to a URL.
//!
//! `--set url=…` says where to, `--allow-http HOST:PORT` lets it. Each request carries the delivery's id in the header
//! `delivery-id`: a receiver that remembers the ids it has seen gets every record exactly once.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tidemill_sdk::{http, require_config, Batch, Error, Headers, Record};

/// The sink.
#[tidemill_sdk::sink]
fn webhook(input: Batch<'_>) -> Result<(), Error> {
    let url = require_config("url")?;
    let events: Vec<Event<'_>> = input.records().map(|record| Event::new(&input, record)).collect();
    let body = serde_json::to_vec(&events)?;
    let headers = [("delivery-id", input.delivery_id())];
    http::post(&url, "application/json", &body, &headers)?.ok()?;
    Ok(())
}

/// A record as the receiver sees it.
#[derive(Serialize)]
struct Event<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Option<Content<'a>>,
    value: Option<Content<'a>>,
    #[serde(skip_serializing_if = "NameValues::is_empty")]
    headers: NameValues<'a>,
}

impl<'a> Event<'a> {
    fn new(batch: &Batch<'a>, record: Record<'a>) -> Self {
        Event {
            topic: batch.topic(),
            partition: batch.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key().map(Content::text),
            value: record.value().map(Content::json_or_text),
            headers: NameValues(record.headers()),
        }
    }
}

/// Bytes in a JSON document: JSON where they are JSON, else text (bytes that are not UTF-8 become U+FFFD).
enum Content<'a> {
    Json(&'a RawValue),
    Text(&'a [u8]),
}

impl<'a> Content<'a> {
    fn text(bytes: &'a [u8]) -> Self {
        Content::Text(bytes)
    }

    fn json_or_text(bytes: &'a [u8]) -> Self {
        serde_json::from_slice(bytes).map_or(Content::Text(bytes), Content::Json)
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Content::Json(json) => json.serialize(serializer),
            Content::Text(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
        }
    }
}

/// Headers as an object. Of a name that comes twice, receivers mostly see the last value.
struct NameValues<'a>(Headers<'a>);

impl NameValues<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for NameValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for header in self.0.iter() {
            map.serialize_entry(header.name, &header.value.map(Content::text))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};
    use std::cell::RefCell;
    use std::rc::Rc;
    use tidemill_sdk::testing::{self, TestBatch};
    use tidemill_sdk::NewRecord;

    fn answering(status: u16) -> Rc<RefCell<Vec<(String, Value)>>> {
        let requests = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&requests);
        testing::set_config([("url", "http://receiver.test/hook")]);
        testing::respond(move |request| {
            assert_eq!((request.method(), request.url()), ("POST", "http://receiver.test/hook"));
            let id = request.headers().find(|(name, _)| *name == "delivery-id").unwrap().1.to_owned();
            seen.borrow_mut().push((id, serde_json::from_slice(request.body_bytes()).unwrap()));
            Ok(http::Response { status, body: b"receiver says".to_vec() })
        });
        requests
    }

    #[test]
    fn a_batch_becomes_one_request() {
        let requests = answering(204);
        TestBatch::new("flights.late")
            .partition(2)
            .base_offset(40)
            .delivery_id("late-2-40")
            .record(
                &NewRecord::new(5).key("UA").value(r#"{"flight": 7, "note": "Ünïcode"}"#).header("a", "b"),
            )
            .record(&NewRecord::new(6).value("plain text"))
            .record(&NewRecord::new(7).null_value())
            .sink(webhook)
            .unwrap();
        assert_eq!(
            *requests.borrow(),
            [(
                "late-2-40".to_owned(),
                json!([
                    {"topic": "flights.late", "partition": 2, "offset": 40, "timestamp": 5, "key": "UA",
                     "value": {"flight": 7, "note": "Ünïcode"}, "headers": {"a": "b"}},
                    {"topic": "flights.late", "partition": 2, "offset": 41, "timestamp": 6, "key": null,
                     "value": "plain text"},
                    {"topic": "flights.late", "partition": 2, "offset": 42, "timestamp": 7, "key": null, "value": null}
                ])
            )]
        );
    }

    #[test]
    fn a_receiver_that_is_down_is_tried_again_and_one_that_refuses_is_not() {
        answering(503);
        let error = TestBatch::new("t").value("1").sink(webhook).unwrap_err();
        assert!(error.is_retry());
        assert!(error.message().contains("503: receiver says"), "{error}");
        answering(400);
        assert!(!TestBatch::new("t").value("1").sink(webhook).unwrap_err().is_retry());
    }

    #[test]
    fn without_a_url_it_says_what_is_missing() {
        testing::set_config::<&str, &str>([]);
        let error = TestBatch::new("t").value("1").sink(webhook).unwrap_err();
        assert!(error.message().contains("--set url="), "{error}");
    }
}
