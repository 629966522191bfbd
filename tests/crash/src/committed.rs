//! Reads as a consumer with isolation level read_committed does: up to the last stable offset,
//! leaving out what the answer says was aborted.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use tidemill_client::{Cluster, Connection, fetch_request};
use tidemill_records::control::{ControlRecord, EndTransaction, TransactionResult, parse_control_batch};
use tidemill_records::{RecordBatch, Records};

/// What one fetch gave.
#[derive(Debug, Default)]
pub struct Committed {
    /// Offsets and values.
    pub records: Vec<(i64, Vec<u8>)>,
    /// Where to go on.
    pub next_offset: i64,
    /// Where committed records end.
    pub last_stable_offset: i64,
}

/// Reads committed records from an offset on.
///
/// # Errors
/// If the broker does not answer, or answers nonsense.
pub async fn read_committed(
    connection: &Connection,
    topic: &str,
    partition: i32,
    offset: i64,
    max_bytes: i32,
) -> anyhow::Result<Committed> {
    let request = fetch_request(topic, partition, offset, max_bytes).with_isolation_level(1);
    let answer = connection.call(&request, 12).await?;
    let part = answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let part = part.context("no partition in the answer")?;
    ensure!(part.error_code == 0, "fetch {topic}-{partition} at {offset}: error {}", part.error_code);
    let mut aborted: Vec<(i64, i64)> = part
        .aborted_transactions
        .unwrap_or_default()
        .iter()
        .map(|transaction| (transaction.first_offset, transaction.producer_id.0))
        .collect();
    aborted.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Committed {
        next_offset: offset,
        last_stable_offset: part.last_stable_offset,
        ..Committed::default()
    };
    let mut left_out: HashSet<i64> = HashSet::new();
    let mut rest = part.records.unwrap_or_default();
    while !rest.is_empty() {
        let batch = RecordBatch::split(&mut rest)?;
        batch.verify_crc()?;
        ensure!(batch.base_offset() < part.last_stable_offset, "a batch beyond the last stable offset");
        while let Some((_, producer)) = aborted.pop_if(|(first, _)| *first <= batch.last_offset()) {
            left_out.insert(producer);
        }
        found.take(&batch, offset, &mut left_out)?;
    }
    Ok(found)
}

impl Committed {
    fn take(&mut self, batch: &RecordBatch, from: i64, left_out: &mut HashSet<i64>) -> anyhow::Result<()> {
        self.next_offset = batch.next_offset();
        let producer = batch.header().producer_id;
        if batch.is_control() {
            let end = parse_control_batch(batch)?;
            if let ControlRecord::EndTransaction(EndTransaction {
                result: TransactionResult::Abort, ..
            }) = end
            {
                left_out.remove(&producer);
            }
            return Ok(());
        }
        if batch.is_transactional() && left_out.contains(&producer) {
            return Ok(());
        }
        let section = batch.uncompressed_records(64 << 20)?;
        for record in Records::new(&section, batch.record_count()) {
            let record = record?;
            let offset = batch.offset_of(&record);
            if offset >= from {
                self.records.push((offset, record.value.unwrap_or_default().to_vec()));
            }
        }
        Ok(())
    }
}

/// Everything committed of a partition.
///
/// # Errors
/// As [`read_committed`].
pub async fn read_all_committed(
    kafka_addr: &str,
    topic: &str,
    partition: i32,
) -> anyhow::Result<Vec<(i64, Vec<u8>)>> {
    let cluster = Cluster::connect(kafka_addr, "committed-reader").await?;
    let (mut records, mut offset) = (Vec::new(), 0);
    loop {
        let found = read_committed(cluster.bootstrap(), topic, partition, offset, 1 << 20).await?;
        if found.next_offset == offset {
            ensure!(
                offset >= found.last_stable_offset,
                "{topic}-{partition}: nothing at {offset}, below {}",
                found.last_stable_offset
            );
            return Ok(records);
        }
        records.extend(found.records);
        offset = found.next_offset;
    }
}
