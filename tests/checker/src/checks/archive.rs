//! `archive-differs`: a partition reads differently after all of it was sealed, or the broker finds
//! fault with its own objects.

use std::collections::BTreeMap;

use crate::history::{Answer, Call};
use crate::{Anomaly, Index};

const NAME: &str = "archive-differs";

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut before = BTreeMap::new();
    for whole in &index.wholes {
        let place = (whole.partition, whole.isolation);
        let first = *before.entry(place).or_insert(whole.records);
        if first != whole.records {
            let differs = first.iter().zip(whole.records).position(|(a, b)| a != b);
            anomalies.push(Anomaly::new(
                NAME,
                format!(
                    "{} for {:?}: {} records, {} before, first difference at {differs:?}",
                    whole.partition,
                    whole.isolation,
                    whole.records.len(),
                    first.len()
                ),
            ));
        }
    }
    for operation in index.operations {
        if let (Call::Verify { topic }, Some(Answer::Problems(problems))) =
            (&operation.call, operation.answer())
        {
            anomalies
                .extend(problems.iter().map(|problem| Anomaly::new(NAME, format!("{topic}: {problem}"))));
        }
    }
    anomalies
}
