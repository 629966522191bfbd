//! At start: what the metadata journal says is made true on the data journals.
//!
//! A crash between the two leaves partitions that metadata has and their journal lacks (they are
//! opened: nothing was ever written to them), or that a journal has and metadata no longer does
//! (they are closed, which lets go of their hot batches and objects).

use std::collections::HashMap;

use tidemill_state::{Command, OpenPartition, PartitionId, TopicMetadata};
use uuid::Uuid;

/// The commands that bring a data journal in line, with the journal each is for. Pure.
pub(crate) fn plan(topics: &[TopicMetadata], open: &HashMap<u32, Vec<PartitionId>>) -> Vec<(u32, Command)> {
    let wanted: HashMap<Uuid, &TopicMetadata> = topics.iter().map(|topic| (topic.topic_id, topic)).collect();
    let placed_on = |id: &PartitionId| {
        let topic = wanted.get(&id.topic_id)?;
        topic.journals.get(usize::try_from(id.partition).ok()?).copied()
    };
    let mut commands = Vec::new();
    let mut present: std::collections::HashSet<PartitionId> = std::collections::HashSet::new();
    for (journal, partitions) in open {
        for id in partitions {
            if placed_on(id) == Some(*journal) {
                present.insert(*id);
            } else {
                commands.push((*journal, Command::ClosePartition(*id)));
            }
        }
    }
    for topic in topics {
        for (partition, journal) in (0..).zip(&topic.journals) {
            let partition = PartitionId { topic_id: topic.topic_id, partition };
            if !present.contains(&partition) {
                let open = OpenPartition { partition, topic: topic.name.clone(), leader_epoch_base: 0 };
                commands.push((*journal, Command::OpenPartition(open)));
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_partitions_are_opened_and_orphans_closed() {
        let id = |topic: u128, partition| PartitionId { topic_id: Uuid::from_u128(topic), partition };
        let topic = TopicMetadata {
            name: "t".into(),
            topic_id: Uuid::from_u128(1),
            journals: vec![1, 2],
            configs: std::collections::BTreeMap::new(),
            created_at_ms: 0,
        };
        let open = HashMap::from([(1, vec![id(1, 0), id(9, 0)]), (2, vec![])]);
        let commands = plan(&[topic], &open);
        assert_eq!(commands.len(), 2);
        assert!(commands.contains(&(1, Command::ClosePartition(id(9, 0)))));
        assert!(
            matches!(commands.last(), Some((2, Command::OpenPartition(open))) if open.partition == id(1, 1))
        );
    }
}
