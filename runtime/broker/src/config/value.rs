//! Values of settings: parsing with a message that says what was wrong, and printing back.

use tidemill_records::TimestampType;

/// A value that a setting can have.
pub(crate) trait Value: Sized {
    /// What a value looks like, for messages and for Kafka's DescribeConfigs.
    const KIND: ValueKind;
    /// Reads a value; the error says what would have been right.
    fn parse(text: &str) -> Result<Self, String>;
    /// Prints a value so that [`Value::parse`] reads it back.
    fn print(&self) -> String;
}

/// The type of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A 32-bit integer.
    Int,
    /// A 64-bit integer.
    Long,
    /// A number with a fraction.
    Double,
    /// Words separated by commas.
    List,
}

impl ValueKind {
    /// Whether a text is a value of this type, and what would have been right if not.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Boolean => bool::parse(text).map(|_| ()),
            Self::Int => i32::parse(text).map(|_| ()),
            Self::Long => i64::parse(text).map(|_| ()),
            Self::Double => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(()),
                _ => Err("expected a number".to_owned()),
            },
            Self::String | Self::List => Ok(()),
        }
    }
}

impl Value for bool {
    const KIND: ValueKind = ValueKind::Boolean;
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }
    fn print(&self) -> String {
        self.to_string()
    }
}

impl Value for i32 {
    const KIND: ValueKind = ValueKind::Int;
    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "expected a 32-bit integer".to_owned())
    }
    fn print(&self) -> String {
        self.to_string()
    }
}

impl Value for i64 {
    const KIND: ValueKind = ValueKind::Long;
    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "expected a 64-bit integer".to_owned())
    }
    fn print(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const KIND: ValueKind = ValueKind::String;
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.trim().to_owned())
    }
    fn print(&self) -> String {
        self.clone()
    }
}

impl Value for TimestampType {
    const KIND: ValueKind = ValueKind::String;
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "CreateTime" => Ok(Self::CreateTime),
            "LogAppendTime" => Ok(Self::LogAppendTime),
            _ => Err("expected CreateTime or LogAppendTime".to_owned()),
        }
    }
    fn print(&self) -> String {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
        .to_owned()
    }
}

/// The name among `known` that `unknown` was probably meant to be.
pub(crate) fn suggest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (unknown.len() / 3).clamp(2, 6);
    known.map(|name| (distance(unknown, name), name)).min().filter(|(d, _)| *d <= most).map(|(_, name)| name)
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            *cell = (diagonal + usize::from(ca != cb)).min(above + 1).min(left + 1);
            diagonal = above;
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggestions() {
        let known = ["retention.ms", "retention.bytes", "segment.ms"];
        assert_eq!(suggest("retention.m", known.into_iter()), Some("retention.ms"));
        assert_eq!(suggest("retentoin.bytes", known.into_iter()), Some("retention.bytes"));
        assert_eq!(suggest("colour", known.into_iter()), None);
    }
}
