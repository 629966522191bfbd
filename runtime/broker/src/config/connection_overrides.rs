//! `max.connections.per.ip.overrides`: addresses that may have more or fewer connections than others.

use super::value::{Value, ValueKind};

/// Hosts or addresses, and how many connections each may have: Kafka's `host:100,127.0.0.1:200`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOverrides(pub Vec<(String, i32)>);

impl Value for ConnectionOverrides {
    const KIND: ValueKind = ValueKind::String;

    fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let overrides = words.map(|word| {
            // The last colon, for addresses may have some.
            let (host, count) = word.rsplit_once(':')?;
            let count = count.trim().parse().ok().filter(|count: &i32| *count >= 0)?;
            Some((host.trim().to_owned(), count)).filter(|(host, _)| !host.is_empty())
        });
        let overrides: Option<Vec<_>> = overrides.collect();
        overrides.map(Self).ok_or_else(|| "expected host:count,host:count".to_owned())
    }

    fn print(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(host, count)| format!("{host}:{count}")).collect();
        words.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_written_as_in_kafka() {
        let text = "host.example:100,127.0.0.1:0,::1:7";
        let overrides = ConnectionOverrides::parse(&format!(" {text} , ")).unwrap();
        assert_eq!(overrides.0[2], ("::1".to_owned(), 7));
        assert_eq!(overrides.print(), text);
        assert_eq!(ConnectionOverrides::parse(""), Ok(ConnectionOverrides::default()));
        for wrong in ["host", "host:", ":5", "host:-1", "host:x", "a:1,b"] {
            assert!(ConnectionOverrides::parse(wrong).is_err(), "{wrong}");
        }
    }
}
