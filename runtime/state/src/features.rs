//! Levels of features, as Kafka's UpdateFeatures sets them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_FEATURE_NAME_BYTES, MAX_FEATURES};
use crate::rows::RowKey;
use crate::state::State;
use crate::{Metadata, MetadataChange, Outcome, Rejection};

/// The levels that were set, and how often any was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Features {
    epoch: u64,
    #[serde(deserialize_with = "crate::bounded::map")]
    levels: BTreeMap<String, i16>,
}

impl Features {
    /// None while nobody set a level.
    pub(crate) fn row(&self) -> Option<&Self> {
        Some(self).filter(|features| features.epoch > 0)
    }
}

impl Metadata {
    /// The level of a feature, if it was set.
    pub fn feature_level(&self, feature: &str) -> Option<i16> {
        self.features.levels.get(feature).copied()
    }

    /// Grows with every change of a level, so that clients know the newest.
    pub fn features_epoch(&self) -> u64 {
        self.features.epoch
    }
}

impl State {
    pub(crate) fn set_feature_level(
        &mut self,
        feature: &str,
        level: i16,
    ) -> Result<(Outcome, MetadataChange), Rejection> {
        let features = &mut self.metadata.features;
        let is_known = features.levels.contains_key(feature);
        if feature.is_empty() || feature.len() > MAX_FEATURE_NAME_BYTES || level < 0 {
            return Err(Rejection::Invalid("feature name or level".into()));
        }
        if !is_known && features.levels.len() >= MAX_FEATURES {
            return Err(Rejection::Invalid("too many features".into()));
        }
        features.levels.insert(feature.to_owned(), level);
        features.epoch = features.epoch.saturating_add(1);
        self.dirty.mark(RowKey::Features);
        Ok((Outcome::Done, MetadataChange::Features))
    }
}
