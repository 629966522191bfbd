//! Reads whole partitions through the Kafka protocol.

use anyhow::{Context, ensure};
use serde_json::Value;
use tidemill_client::Cluster;
use tidemill_records::{RecordBatch, Records};

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Its batch's producer id, epoch and base sequence.
    pub producer: (i64, i16, i32),
    /// Its batch's first offset.
    pub batch: i64,
}

impl Read {
    /// The flight number in the value: the id of the record that it was made from.
    ///
    /// # Errors
    /// If the value is no flight.
    pub fn flight(&self) -> anyhow::Result<u64> {
        self.json()?.get("flight").and_then(Value::as_u64).context("no flight number")
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(self.value.as_deref().context("no value")?)?)
    }
}

/// Reads a partition from its start to its end, as of now.
///
/// # Errors
/// If a batch is damaged or offsets do not follow one another.
pub async fn read_partition(kafka_addr: &str, topic: &str, partition: i32) -> anyhow::Result<Vec<Read>> {
    let cluster = Cluster::connect(kafka_addr, "crash-reader").await?;
    let connection = cluster.bootstrap();
    let mut offset = connection.list_offset(topic, partition, -2).await?;
    let end = connection.list_offset(topic, partition, -1).await?;
    let mut found = Vec::new();
    while offset < end {
        let mut rest = connection.fetch(topic, partition, offset, 1 << 20, 500).await?.records;
        ensure!(!rest.is_empty(), "{topic}-{partition}: nothing at offset {offset} of {end}");
        while !rest.is_empty() {
            let batch = RecordBatch::split(&mut rest)?;
            batch.verify_crc().with_context(|| format!("{topic}-{partition} at {}", batch.base_offset()))?;
            take(&batch, offset, &mut found)?;
            ensure!(batch.base_offset() <= offset, "{topic}-{partition}: offsets {offset}.. are missing");
            offset = offset.max(batch.next_offset());
        }
    }
    Ok(found)
}

fn take(batch: &RecordBatch, from: i64, found: &mut Vec<Read>) -> anyhow::Result<()> {
    let section = batch.uncompressed_records(64 << 20)?;
    let header = batch.header();
    for record in Records::new(&section, batch.record_count()) {
        let record = record?;
        let offset = batch.offset_of(&record);
        if offset < from {
            continue;
        }
        found.push(Read {
            offset,
            timestamp: batch.timestamp_of(&record),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
            producer: (header.producer_id, header.producer_epoch, header.base_sequence),
            batch: batch.base_offset(),
        });
    }
    Ok(())
}
