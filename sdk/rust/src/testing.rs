//! Tests of a function without a broker: native, in-process, one thread each.
//!
//! ```
//! use tidemill_sdk::testing::{self, TestBatch};
//! use tidemill_sdk::{config, Batch, Error, NewRecord, Output};
//!
//! fn greet(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
//!     let greeting = config("greeting").unwrap_or_default();
//!     for record in input {
//!         let text = format!("{greeting}, {}", record.value_str()?);
//!         out.push(&NewRecord::from(record).value(&text));
//!     }
//!     Ok(())
//! }
//!
//! testing::set_config([("greeting", "hello")]);
//! let written = TestBatch::new("names")
//!     .record(&NewRecord::new(1_000).key("1").value("Ada"))
//!     .transform(greet)
//!     .unwrap();
//! assert_eq!(written.values(), ["hello, Ada"]);
//! ```

use crate::batch::{Batch, Facts};
use crate::error::Error;
use crate::host::native::stand_in;
use crate::http::{Request, Response};
use crate::log::Level;
use crate::new_record::NewRecord;
use crate::output::{Output, Section};
use crate::record::Record;

/// Sets what [`config`](crate::config) finds on this thread.
pub fn set_config<K: Into<String>, V: Into<String>>(settings: impl IntoIterator<Item = (K, V)>) {
    let config = settings.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    stand_in(|stand_in| stand_in.config = config);
}

/// Takes the log lines that were written on this thread.
pub fn take_logs() -> Vec<(Level, String)> {
    stand_in(|stand_in| std::mem::take(&mut stand_in.logs))
}

/// Says what answers the HTTP requests of this thread.
pub fn respond(responder: impl FnMut(&Request<'_>) -> Result<Response, Error> + 'static) {
    stand_in(|stand_in| stand_in.responder = Some(Box::new(responder)));
}

/// A batch to try a function on.
#[derive(Clone, Debug)]
pub struct TestBatch {
    facts: Facts,
    section: Vec<u8>,
}

impl TestBatch {
    /// A batch of partition 0, at offset 0, without records.
    pub fn new(topic: &str) -> Self {
        let facts =
            Facts { topic: topic.to_owned(), delivery_id: "test-delivery".to_owned(), ..Facts::default() };
        TestBatch { facts, section: Vec::new() }
    }

    /// Sets the partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.facts.partition = partition;
        self
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.facts.base_offset = base_offset;
        self
    }

    /// Sets a sink's delivery id.
    #[must_use]
    pub fn delivery_id(mut self, delivery_id: &str) -> Self {
        self.facts.delivery_id = delivery_id.to_owned();
        self
    }

    /// Gives all records the time of their arrival, as topics with `message.timestamp.type=LogAppendTime` do.
    #[must_use]
    pub fn log_append_time(mut self, time: i64) -> Self {
        self.facts.log_append_time = Some(time);
        self
    }

    /// Adds a record at the next offset.
    #[must_use]
    pub fn record(mut self, record: &NewRecord<'_>) -> Self {
        record.encode(&mut self.section, self.facts.base_timestamp, i64::from(self.facts.record_count));
        self.facts.record_count += 1;
        self
    }

    /// Adds a record with this value at the next offset.
    #[must_use]
    pub fn value(self, value: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        self.record(&NewRecord::new(0).value(value))
    }

    /// Runs a transform on the batch.
    pub fn transform(
        &self,
        function: fn(Batch<'_>, &mut Output) -> Result<(), Error>,
    ) -> Result<Written, Error> {
        let mut out = Output::new(self.facts.base_timestamp, self.section.len());
        Batch::run(&self.facts, &self.section, |batch| function(batch, &mut out))?;
        let mut written = Vec::new();
        for section in out.into_sections() {
            decode(&section, &mut written)?;
        }
        Ok(Written(written))
    }

    /// Runs a sink on the batch.
    pub fn sink(&self, function: fn(Batch<'_>) -> Result<(), Error>) -> Result<(), Error> {
        Batch::run(&self.facts, &self.section, function)
    }
}

fn decode(section: &Section, written: &mut Vec<WrittenRecord>) -> Result<(), Error> {
    let facts = Facts {
        base_timestamp: section.base_timestamp,
        record_count: section.record_count,
        ..Facts::default()
    };
    Batch::run(&facts, &section.records, |batch| {
        written.extend(batch.records().map(|record| WrittenRecord::new(section, &record)));
        Ok(())
    })
}

/// What a transform wrote.
#[derive(Clone, Debug, Default)]
pub struct Written(Vec<WrittenRecord>);

impl Written {
    /// The records for one output, in the order they were written in within each partition.
    pub fn to(&self, output: u32) -> Vec<&WrittenRecord> {
        self.0.iter().filter(|record| record.output == output).collect()
    }

    /// The values written to the first output, as text; a null value shows as `<null>`.
    pub fn values(&self) -> Vec<String> {
        self.to(0).into_iter().map(WrittenRecord::value_text).collect()
    }
}

/// One record that a transform wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRecord {
    /// Which output.
    pub output: u32,
    /// Which partition of it, if the function chose one.
    pub partition: Option<i32>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl WrittenRecord {
    fn new(section: &Section, record: &Record<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        WrittenRecord {
            output: section.output,
            partition: section.partition,
            timestamp: record.timestamp(),
            key: owned(record.key()),
            value: owned(record.value()),
            headers: record
                .headers()
                .iter()
                .map(|header| (header.name.to_owned(), owned(header.value)))
                .collect(),
        }
    }

    /// The value as text, for assertions.
    pub fn value_text(&self) -> String {
        match &self.value {
            Some(value) => String::from_utf8_lossy(value).into_owned(),
            None => "<null>".to_owned(),
        }
    }

    /// The value of a header as text, for assertions.
    pub fn header_text(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
    }
}
