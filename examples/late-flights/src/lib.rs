//! Keeps the flights that left more than an hour late.
//!
//! Reads flights as JSON objects with the columns of the `nycflights13` data set and writes the few fields that matter,
//! with the delay in a header. Deployed with one input and one output; `--set minutes=N` changes the threshold.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write;
use tidemill_sdk::{config, At, Batch, Error, NewRecord, Output};

/// The fields that are read; all others are passed over.
#[derive(Deserialize)]
struct Flight<'a> {
    year: i32,
    month: u8,
    day: u8,
    dep_delay: Option<f64>,
    arr_delay: Option<f64>,
    #[serde(borrow)]
    carrier: Cow<'a, str>,
    flight: i64,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    #[serde(borrow)]
    time_hour: Option<Cow<'a, str>>,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
}

/// What is written.
#[derive(Serialize)]
struct LateFlight<'a> {
    date: &'a str,
    carrier: &'a str,
    flight: i64,
    origin: &'a str,
    dest: &'a str,
    month: u8,
    dep_delay: f64,
    arr_delay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_hour: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// The transform.
#[tidemill_sdk::transform]
fn late_flights(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    let minutes: f64 = match config("minutes") {
        Some(minutes) => minutes.parse()?,
        None => 60.0,
    };
    // Made once and used for all records: each costs less than memory for three pieces of text would.
    let (mut date, mut json, mut late_minutes) = (String::new(), Vec::new(), String::new());
    for record in input {
        if record.value().is_none() {
            continue;
        }
        let flight: Flight<'_> = serde_json::from_str(record.value_str()?).at(&record)?;
        // A flight that never left has no delay.
        let Some(dep_delay) = flight.dep_delay.filter(|delay| *delay > minutes) else { continue };
        date.clear();
        write!(date, "{:04}-{:02}-{:02}", flight.year, flight.month, flight.day)?;
        let late = LateFlight {
            date: &date,
            carrier: &flight.carrier,
            flight: flight.flight,
            origin: &flight.origin,
            dest: &flight.dest,
            month: flight.month,
            dep_delay,
            arr_delay: flight.arr_delay,
            time_hour: flight.time_hour.as_deref(),
            note: flight.note.as_deref(),
        };
        json.clear();
        serde_json::to_writer(&mut json, &late)?;
        late_minutes.clear();
        write!(late_minutes, "{dep_delay}")?;
        out.push(&NewRecord::from(record).value(&json).header("late-minutes", &late_minutes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};
    use tidemill_sdk::testing::{self, TestBatch};

    fn flight(dep_delay: Value) -> String {
        json!({
            "year": 2013, "month": 7, "day": 4, "dep_time": 900, "sched_dep_time": 800, "dep_delay": dep_delay,
            "arr_time": 1200, "sched_arr_time": 1000, "arr_delay": 95.5, "carrier": "UA", "flight": 1545,
            "tailnum": "N14228", "origin": "EWR", "dest": "IAH", "air_time": 227, "distance": 1400, "hour": 8,
            "minute": 0, "time_hour": "2013-07-04T12:00:00Z", "note": "Zürich – 東京 \"✈\""
        })
        .to_string()
    }

    #[test]
    fn late_flights_are_kept_and_projected() {
        let written = TestBatch::new("flights")
            .record(&NewRecord::new(7).key("UA").value(&flight(json!(61))).header("source", "test"))
            .transform(late_flights)
            .unwrap();
        let records = written.to(0);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].key.as_deref(), Some(b"UA".as_slice()));
        assert_eq!(records[0].timestamp, 7);
        assert_eq!(records[0].header_text("source").as_deref(), Some("test"));
        assert_eq!(records[0].header_text("late-minutes").as_deref(), Some("61"));
        let value: Value = serde_json::from_str(&records[0].value_text()).unwrap();
        assert_eq!(
            value,
            json!({
                "date": "2013-07-04", "carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH", "month": 7,
                "dep_delay": 61.0, "arr_delay": 95.5, "time_hour": "2013-07-04T12:00:00Z",
                "note": "Zürich – 東京 \"✈\""
            })
        );
    }

    #[test]
    fn punctual_and_cancelled_flights_are_dropped() {
        let written = TestBatch::new("flights")
            .value(&flight(json!(60)))
            .value(&flight(json!(-3)))
            .value(&flight(Value::Null))
            .record(&NewRecord::new(0).key("UA").null_value())
            .transform(late_flights)
            .unwrap();
        assert!(written.values().is_empty());
    }

    #[test]
    fn the_threshold_can_be_set() {
        testing::set_config([("minutes", "10")]);
        let written = TestBatch::new("flights").value(&flight(json!(11.5))).transform(late_flights).unwrap();
        assert_eq!(written.to(0)[0].header_text("late-minutes").as_deref(), Some("11.5"));
    }

    #[test]
    fn what_is_no_flight_is_named() {
        let error = TestBatch::new("flights")
            .value(&flight(json!(90)))
            .value("not json")
            .transform(late_flights)
            .unwrap_err();
        assert_eq!(error.offset_delta(), Some(1));
        assert!(!error.is_retry());
    }
}
