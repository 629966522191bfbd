//! Prometheus' text format: names, labels and values.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Longest metric name.
const MAX_NAME_BYTES: usize = 256;
/// Longest labels of one series together.
const MAX_LABEL_BYTES: usize = 1024;
/// Labels that say which client it was: no attribute of a point can take their place.
const OF_CLIENT: [&str; 4] =
    ["client_id", "client_instance_id", "client_software_name", "client_software_version"];

/// A metric's name in Prometheus' alphabet; none if it is empty or too long.
pub(crate) fn metric_name(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return None;
    }
    Some(in_alphabet(name, |c| c == ':'))
}

/// Letters, digits and underscores, no digit in front.
fn in_alphabet(name: &str, also: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() || also(c) { c } else { '_' }));
    out
}

/// Labels in the making, in the order of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    by_name: BTreeMap<String, String>,
    bytes: usize,
}

impl Labels {
    /// Adds one, unless its name is taken. Two underscores in front would have a meaning.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(value.len());
        if name.is_empty() || self.bytes > MAX_LABEL_BYTES {
            return;
        }
        let name = in_alphabet(name, |_| false);
        let name = if name.starts_with("__") { format!("_{}", name.trim_start_matches('_')) } else { name };
        if name != "_" && !OF_CLIENT.contains(&name.as_str()) {
            self.by_name.entry(name).or_insert_with(|| value.to_owned());
        }
    }

    /// `a="1",b="2"`; none if they are too long.
    pub(crate) fn render(&self) -> Option<Box<str>> {
        if self.bytes > MAX_LABEL_BYTES {
            return None;
        }
        let mut out = String::with_capacity(self.bytes + 4 * self.by_name.len());
        for (name, value) in &self.by_name {
            push_label(&mut out, name, value);
        }
        Some(out.into())
    }
}

/// The labels that every series of a client has.
pub(crate) fn client_labels(client: &crate::ClientFacts) -> Box<str> {
    let mut out = String::new();
    let values = [&client.client_id, &client.instance_name, &client.software_name, &client.software_version];
    for (name, value) in OF_CLIENT.into_iter().zip(values) {
        let end = value.floor_char_boundary(MAX_NAME_BYTES);
        push_label(&mut out, name, value.get(..end).unwrap_or_default());
    }
    out.into()
}

fn push_label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One line.
pub(crate) fn push_sample(out: &mut String, name: &str, of_client: &str, labels: &str, value: f64) {
    let comma = if labels.is_empty() { "" } else { "," };
    // Writing to a string does not fail.
    let _ = write!(out, "{name}{{{of_client}{comma}{labels}}} ");
    let _ = match value {
        f64::INFINITY => writeln!(out, "+Inf"),
        f64::NEG_INFINITY => writeln!(out, "-Inf"),
        value => writeln!(out, "{value}"),
    };
}
