//! From a push to Prometheus' text format.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tidemill_telemetry::otlp::{self, Decoded, MAX_POINTS};
use tidemill_telemetry::{ClientFacts, Series};
use uuid::Uuid;

/// A length-delimited field.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = body.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(body);
    out
}

fn fixed64(number: u8, bits: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &bits.to_le_bytes()].concat()
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

fn point(value: f64, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut out = fixed64(4, value.to_bits());
    attributes.iter().for_each(|(key, value)| out.extend(field(7, &attribute(key, value))));
    out
}

fn gauge(name: &str, points: &[Vec<u8>]) -> Vec<u8> {
    let data: Vec<u8> = points.iter().flat_map(|point| field(1, point)).collect();
    [field(1, name.as_bytes()), field(5, &data)].concat()
}

fn sum(name: &str, point: &[u8], temporality: u8, is_monotonic: bool) -> Vec<u8> {
    // The points come first, as they may.
    let data = [field(1, point), vec![2 << 3, temporality, 3 << 3, u8::from(is_monotonic)]].concat();
    [field(7, &data), field(1, name.as_bytes())].concat()
}

fn message(metrics: &[Vec<u8>], resource: &[(&str, &str)]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| field(2, metric)).collect();
    let attributes: Vec<u8> =
        resource.iter().flat_map(|(key, value)| field(1, &attribute(key, value))).collect();
    field(1, &[field(2, &metrics), field(1, &attributes)].concat())
}

fn client() -> ClientFacts {
    ClientFacts {
        instance_id: Uuid::from_u128(1),
        instance_name: "AAE".to_owned(),
        client_id: "a\"b\\c\nd".to_owned(),
        software_name: "java".to_owned(),
        software_version: "4".to_owned(),
        address: None,
    }
}

const OF_CLIENT: &str = r#"client_id="a\"b\\c\nd",client_instance_id="AAE",client_software_name="java",client_software_version="4""#;

fn decoded(metrics: &[Vec<u8>]) -> Decoded {
    otlp::decode(&message(metrics, &[])).unwrap()
}

#[test]
fn gauges_replace_and_deltas_add_up() {
    let mut series = Series::new(100);
    let metrics = [
        gauge("org.apache.kafka.lag", &[point(1.5, &[("topic", "t"), ("partition", "0")])]),
        sum("sent", &point(3.0, &[]), 1, true),
        sum("open", &point(2.0, &[]), 1, false),
        sum("all.total", &point(7.0, &[]), 2, true),
    ];
    for now_ms in [0, 1] {
        let push = otlp::decode(&message(&metrics, &[("group.id", "g")])).unwrap();
        assert_eq!(series.take(&client(), 1000, push, now_ms).points, 4);
    }
    let expected = format!(
        "# TYPE all_total counter\nall_total{{{OF_CLIENT},group_id=\"g\"}} 7\n\
         # TYPE open gauge\nopen{{{OF_CLIENT},group_id=\"g\"}} 4\n\
         # TYPE org_apache_kafka_lag gauge\n\
         org_apache_kafka_lag{{{OF_CLIENT},group_id=\"g\",partition=\"0\",topic=\"t\"}} 1.5\n\
         # TYPE sent_total counter\nsent_total{{{OF_CLIENT},group_id=\"g\"}} 6\n"
    );
    assert_eq!(series.text(), expected);
}

#[test]
fn no_attribute_takes_the_place_of_a_label_with_a_meaning() {
    let attributes =
        [("client_id", "other"), ("__name__", "x"), ("9-lives", "a"), ("9_lives", "b"), ("__", "y")];
    let mut series = Series::new(100);
    series.take(&client(), 1000, decoded(&[gauge("1.m", &[point(f64::NEG_INFINITY, &attributes)])]), 0);
    let expected = format!("# TYPE _1_m gauge\n_1_m{{{OF_CLIENT},_9_lives=\"a\",_name__=\"x\"}} -Inf\n");
    assert_eq!(series.text(), expected);
}

#[test]
fn what_is_too_long_too_much_or_of_another_kind_is_counted() {
    let histogram = [field(1, b"h"), field(9, &[field(1, b""), field(1, b"")].concat())].concat();
    let long = "x".repeat(2000);
    let no_value = [vec![8 << 3, 1], point(1.0, &[])].concat();
    let points = [point(1.0, &[("a", &long)]), vec![], no_value, point(2.0, &[])];
    let push = decoded(&[
        histogram,
        gauge(&long, &[point(1.0, &[])]),
        gauge("", &[point(1.0, &[])]),
        gauge("m", &points),
    ]);
    assert_eq!((push.points.len(), push.dropped), (1, 7));
    let many: Vec<Vec<u8>> = (0..MAX_POINTS + 5).map(|_| point(0.0, &[])).collect();
    let push = decoded(&[gauge("m", &many)]);
    assert_eq!((push.points.len(), push.dropped), (MAX_POINTS, 5));
}

#[test]
fn room_and_time_are_bounded() {
    let mut series = Series::new(20);
    let metrics: Vec<Vec<u8>> = (0..9).map(|n| gauge(&format!("m{n}"), &[point(0.0, &[])])).collect();
    let client = |number| ClientFacts { instance_id: Uuid::from_u128(number), ..client() };
    for number in 0..10 {
        let taken = series.take(&client(number), 1000, decoded(&metrics), 0);
        assert_eq!((taken.points, taken.dropped), (2, 7), "a tenth of the room for each");
    }
    assert_eq!(series.take(&client(10), 1000, decoded(&metrics), 60_000).points, 0, "it is full");
    assert_eq!(series.len(), 20);
    assert_eq!(series.take(&client(10), 1000, decoded(&metrics), 60_001).points, 2, "the old ones go");
    assert_eq!(series.len(), 2);
    series.expire(i64::MAX);
    assert!(series.is_empty() && series.text().is_empty());
}

#[test]
fn one_name_with_two_types_is_shown_without_a_type() {
    let mut series = Series::new(100);
    let metrics = [gauge("x_total", &[point(1.0, &[("a", "1")])]), sum("x", &point(2.0, &[]), 2, true)];
    series.take(&client(), 1000, decoded(&metrics), 0);
    assert!(series.text().starts_with("# TYPE x_total untyped\n"), "{}", series.text());
}

#[test]
fn what_ends_too_early_is_no_push() {
    let whole = message(&[gauge("m", &[point(1.0, &[("a", "b")])])], &[("c", "d")]);
    for end in 1..whole.len() {
        assert!(otlp::decode(&whole[..end]).is_err(), "{end} bytes");
    }
    assert_eq!(otlp::decode(&[]).unwrap(), Decoded::default());
    assert!(otlp::decode(&[0x0b]).is_err(), "a group");
    assert!(otlp::decode(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_pushes_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..16),
    ) {
        let metrics = [gauge("m", &[point(1.0, &[("a", "b")])]), sum("n", &point(1.0, &[]), 1, true)];
        let mut bytes = message(&metrics, &[("c", "d")]);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.extend(tail);
        if let Ok(push) = otlp::decode(&bytes) {
            let mut series = Series::new(10);
            series.take(&client(), 1000, push, 0);
            let _ = series.text();
        }
    }
}
