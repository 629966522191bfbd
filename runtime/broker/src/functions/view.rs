//! What functions look like from outside.

use std::sync::Arc;

use tidemill_state::{FunctionInstance, FunctionMetadata};

use super::catalog::Deployment;
use super::unknown;
use crate::broker::Broker;
use crate::error::Error;

/// A deployed function and where it stands.
#[derive(Clone, Debug)]
pub struct FunctionView {
    /// What was deployed.
    pub metadata: Arc<FunctionMetadata>,
    /// Each input partition, by input topic.
    pub instances: Vec<InstanceView>,
}

/// A function on one input partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceView {
    /// The input topic.
    pub topic: String,
    /// The input partition.
    pub partition: i32,
    /// The next offset it will read.
    pub position: i64,
    /// Offsets up to the last stable offset that it has not read.
    pub lag: i64,
    /// Why it stands still, if it does.
    pub stopped: Option<String>,
}

impl Broker {
    /// Every function, by name.
    pub fn functions(&self) -> Vec<FunctionView> {
        self.functions.catalog.all().iter().map(|deployment| self.view(deployment)).collect()
    }

    /// One function.
    pub fn function(&self, name: &str) -> Result<FunctionView, Error> {
        let deployment = self.functions.catalog.by_name(name).ok_or_else(|| unknown(name))?;
        Ok(self.view(&deployment))
    }

    pub(super) fn view(&self, deployment: &Deployment) -> FunctionView {
        let metadata = Arc::clone(&deployment.metadata);
        let topics = metadata.inputs.iter().filter_map(|input| self.topic(input));
        let instances = topics
            .flat_map(|topic| {
                let of_partition = |input| {
                    let instance = FunctionInstance { function_id: metadata.function_id, input };
                    self.instance_view(&topic.name, instance)
                };
                topic.partition_ids().filter_map(of_partition).collect::<Vec<_>>()
            })
            .collect();
        FunctionView { metadata: Arc::clone(&deployment.metadata), instances }
    }

    fn instance_view(&self, topic: &str, instance: FunctionInstance) -> Option<InstanceView> {
        let target = self.partition_by_id(instance.input)?;
        let (position, end) = target.journal.state(|state| {
            let partition = state.partition(&instance.input)?;
            let start = partition.log_start_offset;
            let position = state.function(&instance).map_or(start, |function| function.position);
            Some((position, partition.last_stable_offset))
        })?;
        Some(InstanceView {
            topic: topic.to_owned(),
            partition: instance.input.partition,
            position,
            lag: end.saturating_sub(position).max(0),
            stopped: self.functions.scheduler.stopped(&instance),
        })
    }
}
