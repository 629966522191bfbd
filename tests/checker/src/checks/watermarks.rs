//! `lso-above-hw`, `hw-regression` and `lso-regression`: the last stable offset is at most the high
//! watermark, neither goes back, and both are above what was acknowledged or seen below them.

use std::collections::HashMap;

use super::real_time::{Known, Look, regressions};
use crate::history::{Answer, Call, Delivery, Isolation, Partition};
use crate::{Anomaly, Index};

/// What is known of one of the two ends of each partition.
#[derive(Default)]
struct End<'a> {
    known: HashMap<&'a Partition, Vec<Known>>,
    looks: HashMap<&'a Partition, Vec<Look>>,
}

pub(super) fn check(index: &Index<'_>) -> Vec<Anomaly> {
    let (mut high, mut stable) = (End::default(), End::default());
    let mut anomalies = Vec::new();
    for operation in index.operations {
        let Some(completed) = operation.completed else { continue };
        match (&operation.call, operation.answer()) {
            (Call::Watermarks { partition }, Some(Answer::Watermarks(ends))) => {
                high.look(partition, operation.invoked, completed, ends.high_watermark);
                stable.look(partition, operation.invoked, completed, ends.last_stable_offset);
                if ends.last_stable_offset > ends.high_watermark {
                    anomalies.push(Anomaly::new("lso-above-hw", format!("{partition}: {ends:?}")));
                }
            }
            (Call::Send { partition, .. }, Some(Answer::Delivered(Delivery { offset: Some(offset) }))) => {
                high.known(partition, completed, offset + 1);
            }
            _ => {}
        }
    }
    for read in &index.reads {
        let Some(completed) = read.operation.completed else { continue };
        high.known(read.partition, completed, read.record.offset + 1);
        if read.isolation == Isolation::Committed {
            stable.known(read.partition, completed, read.record.offset + 1);
        }
    }
    anomalies.extend(high.regressions("hw-regression"));
    anomalies.extend(stable.regressions("lso-regression"));
    anomalies
}

impl<'a> End<'a> {
    fn known(&mut self, partition: &'a Partition, at: u64, value: i64) {
        self.known.entry(partition).or_default().push(Known { at, value });
    }

    fn look(&mut self, partition: &'a Partition, asked: u64, told: u64, value: i64) {
        self.looks.entry(partition).or_default().push(Look { at: asked, value });
        self.known(partition, told, value);
    }

    fn regressions(mut self, name: &'static str) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        for (partition, looks) in self.looks {
            for (look, known) in regressions(self.known.remove(partition).unwrap_or_default(), looks) {
                let detail = format!("{partition}: {} at line {}, {known} before", look.value, look.at + 1);
                anomalies.push(Anomaly::new(name, detail));
            }
        }
        anomalies
    }
}
