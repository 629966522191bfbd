//! The latest values that clients pushed, as long as their clients are remembered.

pub(crate) mod text;

use std::collections::HashMap;

use uuid::Uuid;

use crate::client::{ClientFacts, memory_ms};
use crate::otlp::{Decoded, Kind, Point};
use text::{client_labels, push_sample};

/// One client fills no more than this part of the room.
const SHARE_OF_CLIENT: usize = 10;

/// What became of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Values kept.
    pub points: usize,
    /// Values that there was no room for, or that are of no use.
    pub dropped: usize,
}

/// Values by client, metric and labels.
#[derive(Debug)]
pub struct Series {
    limit: usize,
    count: usize,
    clients: HashMap<Uuid, OfClient>,
}

#[derive(Debug)]
struct OfClient {
    labels: Box<str>,
    interval_ms: i32,
    held: HashMap<(Box<str>, Box<str>), Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    value: f64,
    is_counter: bool,
    at_ms: i64,
}

impl Held {
    fn of(point: &Point, before: Option<&Held>, now_ms: i64) -> Self {
        let (value, is_counter) = match point.kind {
            Kind::Gauge => (point.value, false),
            Kind::Total { is_monotonic } => (point.value, is_monotonic),
            Kind::Delta { is_monotonic } => {
                let before = before.map_or(0.0, |held| held.value);
                // One that is not a number would make all that follow unreadable.
                (if point.value.is_finite() { before + point.value } else { before }, is_monotonic)
            }
        };
        Self { value, is_counter, at_ms: now_ms }
    }
}

impl Series {
    /// Room for so many values.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, count: 0, clients: HashMap::new() }
    }

    /// How many values are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keeps what a client pushed.
    pub fn take(&mut self, client: &ClientFacts, interval_ms: i32, push: Decoded, now_ms: i64) -> Taken {
        let mut taken = Taken { points: 0, dropped: push.dropped };
        if self.count.saturating_add(push.points.len()) > self.limit {
            self.expire(now_ms);
        }
        if push.points.is_empty() {
            return taken;
        }
        let of_client = self.clients.entry(client.instance_id).or_insert_with(|| OfClient {
            labels: client_labels(client),
            interval_ms,
            held: HashMap::new(),
        });
        of_client.interval_ms = interval_ms;
        let share = self.limit.div_ceil(SHARE_OF_CLIENT);
        for point in push.points {
            let key = (point.name.clone(), point.labels.clone());
            let before = of_client.held.get(&key);
            let is_new = before.is_none();
            if is_new && (self.count >= self.limit || of_client.held.len() >= share) {
                taken.dropped += 1;
                continue;
            }
            let held = Held::of(&point, before, now_ms);
            of_client.held.insert(key, held);
            self.count += usize::from(is_new);
            taken.points += 1;
        }
        if of_client.held.is_empty() {
            self.clients.remove(&client.instance_id);
        }
        taken
    }

    /// Forgets values that were not pushed again for long.
    pub fn expire(&mut self, now_ms: i64) {
        self.clients.retain(|_, client| {
            let after_ms = now_ms.saturating_sub(memory_ms(client.interval_ms));
            let before = client.held.len();
            client.held.retain(|_, held| held.at_ms >= after_ms);
            self.count -= before - client.held.len();
            !client.held.is_empty()
        });
    }

    /// All values in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(self.count);
        for client in self.clients.values() {
            lines.extend(client.held.iter().map(|((name, labels), held)| Line {
                name: sample_name(name, held.is_counter),
                client: &client.labels,
                labels,
                held: *held,
            }));
        }
        lines.sort_unstable_by(|a, b| (&a.name, a.client, a.labels).cmp(&(&b.name, b.client, b.labels)));
        // Only a gauge and a counter that are both pushed under one name can meet here.
        lines.dedup_by(|a, b| (&a.name, a.client, a.labels) == (&b.name, b.client, b.labels));
        let mut out = String::new();
        for family in lines.chunk_by(|a, b| a.name == b.name) {
            push_family(&mut out, family);
        }
        out
    }
}

struct Line<'a> {
    name: String,
    client: &'a str,
    labels: &'a str,
    held: Held,
}

/// Counters are named so, by convention.
fn sample_name(name: &str, is_counter: bool) -> String {
    let suffix = if is_counter && !name.ends_with("_total") { "_total" } else { "" };
    format!("{name}{suffix}")
}

fn push_family(out: &mut String, family: &[Line<'_>]) {
    let Some(first) = family.first() else { return };
    let counters = family.iter().filter(|line| line.held.is_counter).count();
    let kind = match counters {
        0 => "gauge",
        some if some == family.len() => "counter",
        _ => "untyped",
    };
    out.push_str("# TYPE ");
    out.push_str(&first.name);
    out.push(' ');
    out.push_str(kind);
    out.push('\n');
    for line in family {
        push_sample(out, &line.name, line.client, line.labels, line.held.value);
    }
}
