//! `nonmonotonic-send`: what one idempotent producer sent to a partition one after another was
//! acknowledged at offsets that do not ascend.

use std::collections::HashMap;

use crate::history::{Answer, Call, Delivery};
use crate::{Anomaly, Index};

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let mut last = HashMap::new();
    let mut anomalies = Vec::new();
    for operation in index.operations {
        let Call::Send { partition, value, .. } = &operation.call else { continue };
        let Some(Answer::Delivered(Delivery { offset: Some(offset) })) = operation.answer() else { continue };
        let before = last.insert((&operation.process, partition), (*value, *offset));
        if let Some((earlier, before)) = before.filter(|(_, before)| before >= offset) {
            let detail = format!(
                "{}, {partition}: {earlier} went to {before}, and {value}, sent later, to {offset}",
                operation.process
            );
            anomalies.push(Anomaly::new("nonmonotonic-send", detail));
        }
    }
    anomalies
}
