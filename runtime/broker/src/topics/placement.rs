//! Which journal a new partition goes to: `(hash(placement group) + partition) mod journals`.
//!
//! The choice is recorded and never made again, so neither the hash nor the number of journals has
//! to stay the same. Topics of one group must agree all the same: a new topic takes the journals of
//! the group's oldest topic as far as that one has partitions.

use super::{Registry, Topic};

/// Journals of partitions `first..first + count` of a topic in a placement group. Data journals are
/// numbered from 1.
pub(super) fn place(registry: &Registry, group: &str, first: i32, count: i32, journals: u32) -> Vec<u32> {
    let model = registry.by_name(group).or_else(|| {
        let members = registry.all().into_iter().filter(|topic| topic.placement_group() == group);
        members.min_by_key(|topic| (topic.created_at_ms, topic.id))
    });
    let modulus = u64::from(journals.max(1));
    let hash = fnv1a(group.as_bytes());
    (first..first.saturating_add(count))
        .map(|partition| {
            let like_model = model.as_deref().and_then(|topic: &Topic| topic.placement(partition));
            like_model.map_or_else(
                || {
                    let slot = hash.wrapping_add(u64::from(partition.unsigned_abs())) % modulus;
                    u32::try_from(slot).map_or(1, |slot| slot + 1)
                },
                |placement| placement.journal,
            )
        })
        .collect()
}

/// FNV-1a, 64 bits: short names spread well enough, and it is four lines.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_go_round() {
        let placed = place(&Registry::default(), "flights", 0, 6, 3);
        assert_eq!(placed.get(0..3), placed.get(3..6));
        let mut first: Vec<u32> = placed.into_iter().take(3).collect();
        first.sort_unstable();
        assert_eq!(first, vec![1, 2, 3]);
    }
}
