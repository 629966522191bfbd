//! What a client pushes of its metrics, decoded, taken and shown: whatever it is, the text has no line that is
//! neither a comment nor a value, and the series stay within their bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill_telemetry::{ClientFacts, Series, otlp};

const MOST_SERIES: usize = 50;

fuzz_target!(|data: &[u8]| {
    let Ok(decoded) = otlp::decode(data) else {
        return;
    };
    let mut series = Series::new(MOST_SERIES);
    series.take(&ClientFacts::default(), 60_000, decoded, 0);
    assert!(series.len() <= MOST_SERIES);
    for line in series.text().lines() {
        let is_value = line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(line.starts_with('#') || is_value, "{line:?}");
    }
});
