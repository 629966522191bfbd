//! Reading everything that is archived, to know that it is there and right.

use std::sync::Arc;

use tidemill_state::ArchivedObject;

use crate::broker::Broker;
use crate::error::Error;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Objects read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Committed records in them.
    pub records: u64,
    /// What is wrong, each with the object it concerns. Empty if all is well.
    pub problems: Vec<String>,
}

impl Broker {
    /// Reads every live object of a topic from the bucket: length, checksum, every batch, counts,
    /// and that the objects of each partition follow one another without a gap.
    pub async fn verify(&self, topic: &str) -> Result<VerifyReport, Error> {
        let mut report = VerifyReport::default();
        for archive in self.archive_status(Some(topic))? {
            for partition in archive.partitions {
                let place = format!("{}-{}", archive.topic.name, partition.partition);
                report.problems.extend(gaps(&place, partition.archived_end, &partition.objects));
                for object in &partition.objects {
                    report.objects += 1;
                    report.bytes += object.length_bytes;
                    report.records += object.row_count;
                    if let Err(error) = self.bucket.verify(object).await {
                        // An object that went out of reach meanwhile may be gone, and rightly.
                        if self.is_live(archive.topic.id, partition.partition, object) {
                            report.problems.push(format!("{}: {error}", object.path));
                        }
                    }
                }
            }
        }
        Ok(report)
    }

    fn is_live(&self, topic_id: uuid::Uuid, partition: i32, object: &ArchivedObject) -> bool {
        let id = tidemill_state::PartitionId { topic_id, partition };
        self.partition_by_id(id).is_some_and(|target| {
            target.journal.state(|state| {
                let objects = state.partition(&id).map(|state| state.objects());
                objects.is_some_and(|objects| objects.contains_key(&object.base_offset))
            })
        })
    }
}

/// Offsets that no object covers. Pure.
fn gaps(place: &str, archived_end: i64, objects: &[Arc<ArchivedObject>]) -> Vec<String> {
    let starts = objects.iter().skip(1).map(|object| object.base_offset).chain([archived_end]);
    objects
        .iter()
        .zip(starts)
        .filter(|(object, next)| object.last_offset + 1 != *next)
        .map(|(object, next)| {
            format!("{place}: offsets {} to {next} are in no object", object.last_offset + 1)
        })
        .collect()
}
