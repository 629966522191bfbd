//! What a client pushed: OpenTelemetry's `MetricsData`, as Protocol Buffers encode it.
//!
//! Gauges and sums are read, which is what Kafka's clients send; histograms and summaries are counted
//! and left out. The message is walked where it lies, and what is kept of it is bounded, so a hostile
//! one costs its own size and no more; a decoder that builds the whole message would not know that
//! bound (an empty data point takes two bytes on the wire and a hundred in memory).

use crate::series::text::{Labels, metric_name};
use crate::wire::{Fields, Malformed, Value};

/// Data points of one push that are kept.
pub const MAX_POINTS: usize = 10_000;

/// The bytes are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metrics are not in the OpenTelemetry protocol")]
pub struct NotOtlp;

impl From<Malformed> for NotOtlp {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// How a value relates to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It replaces it.
    Gauge,
    /// It replaces it, and only grows while the client lives, if it is monotonic.
    Total {
        /// It never falls.
        is_monotonic: bool,
    },
    /// It is to be added.
    Delta {
        /// It is never negative.
        is_monotonic: bool,
    },
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric's name in Prometheus' alphabet.
    pub name: Box<str>,
    /// Labels in Prometheus' text format.
    pub labels: Box<str>,
    /// The value.
    pub value: f64,
    /// What to do with it.
    pub kind: Kind,
}

/// What a push contains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// What is kept.
    pub points: Vec<Point>,
    /// How many points there were beside: too many, of names or labels too long, of other kinds.
    pub dropped: usize,
}

/// Reads a push.
pub fn decode(message: &[u8]) -> Result<Decoded, NotOtlp> {
    let mut decoded = Decoded::default();
    each(message, 1, |resource_metrics| {
        let mut resource = Labels::default();
        each(resource_metrics, 1, |body| add_attributes(&mut resource, body, 1))?;
        each(resource_metrics, 2, |scope| each(scope, 2, |metric| decoded.metric(metric, &resource)))
    })?;
    Ok(decoded)
}

/// Calls `visit` with every message that a field holds, and checks the framing of all others.
fn each<'a>(
    message: &'a [u8],
    wanted: u64,
    mut visit: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in Fields::of(message) {
        match field? {
            (number, Value::Bytes(body)) if number == wanted => visit(body)?,
            _ => {}
        }
    }
    Ok(())
}

impl Decoded {
    fn metric(&mut self, metric: &[u8], resource: &Labels) -> Result<(), Malformed> {
        // Fields come in any order: the name is found before the points are looked at.
        let mut name = None;
        each(metric, 1, |text| {
            name = std::str::from_utf8(text).ok().and_then(metric_name);
            Ok(())
        })?;
        for field in Fields::of(metric) {
            match field? {
                (5, Value::Bytes(gauge)) => self.points(gauge, name.as_deref(), Kind::Gauge, resource)?,
                (7, Value::Bytes(sum)) => self.points(sum, name.as_deref(), kind_of_sum(sum)?, resource)?,
                (9..=11, Value::Bytes(other)) => each(other, 1, |_| {
                    self.dropped += 1;
                    Ok(())
                })?,
                _ => {}
            }
        }
        Ok(())
    }

    fn points(
        &mut self,
        data: &[u8],
        name: Option<&str>,
        kind: Kind,
        resource: &Labels,
    ) -> Result<(), Malformed> {
        each(data, 1, |body| {
            let has_room = self.points.len() < MAX_POINTS;
            match name.filter(|_| has_room) {
                Some(name) => match point(body, name, kind, resource)? {
                    Some(point) => self.points.push(point),
                    None => self.dropped += 1,
                },
                None => self.dropped += 1,
            }
            Ok(())
        })
    }
}

fn kind_of_sum(sum: &[u8]) -> Result<Kind, Malformed> {
    const DELTA: u64 = 1;
    let (mut temporality, mut is_monotonic) = (0, false);
    for field in Fields::of(sum) {
        match field? {
            (2, Value::Varint(value)) => temporality = value,
            (3, Value::Varint(value)) => is_monotonic = value != 0,
            _ => {}
        }
    }
    let is_delta = temporality == DELTA;
    Ok(if is_delta { Kind::Delta { is_monotonic } } else { Kind::Total { is_monotonic } })
}

/// None if it has no value, or labels that are too long.
fn point(body: &[u8], name: &str, kind: Kind, resource: &Labels) -> Result<Option<Point>, Malformed> {
    let mut labels = resource.clone();
    let mut value = None;
    for field in Fields::of(body) {
        match field? {
            (4, Value::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (6, Value::Fixed64(bits)) => value = Some(bits.cast_signed() as f64),
            (7, Value::Bytes(attribute)) => add_attribute(&mut labels, attribute)?,
            // Set on a point that says that there is no value.
            (8, Value::Varint(flags)) if flags & 1 != 0 => return Ok(None),
            _ => {}
        }
    }
    let labels = labels.render();
    Ok(value.zip(labels).map(|(value, labels)| Point { name: name.into(), labels, value, kind }))
}

fn add_attributes(labels: &mut Labels, body: &[u8], field: u64) -> Result<(), Malformed> {
    each(body, field, |attribute| add_attribute(labels, attribute))
}

/// Attributes that are lists or maps are left out: nobody has them.
fn add_attribute(labels: &mut Labels, attribute: &[u8]) -> Result<(), Malformed> {
    let (mut key, mut any): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::of(attribute) {
        match field? {
            (1, Value::Bytes(text)) => key = text,
            (2, Value::Bytes(value)) => any = value,
            _ => {}
        }
    }
    let Ok(key) = std::str::from_utf8(key) else {
        return Ok(());
    };
    for field in Fields::of(any) {
        match field? {
            (1, Value::Bytes(text)) => labels.add(key, &String::from_utf8_lossy(text)),
            (2, Value::Varint(value)) => labels.add(key, if value == 0 { "false" } else { "true" }),
            (3, Value::Varint(value)) => labels.add(key, &value.cast_signed().to_string()),
            (4, Value::Fixed64(bits)) => labels.add(key, &f64::from_bits(bits).to_string()),
            _ => {}
        }
    }
    Ok(())
}
