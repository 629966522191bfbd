//! UpdateFeatures: sets the levels of features.

use std::collections::HashSet;

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use tidemill_broker::{Error, ErrorKind, FeatureChange, FeatureUpdate};

use super::text;
use crate::service::Call;

/// Kafka's codes of how a level may change. Of the two ways to downgrade, the unsafe one may lose
/// metadata; here neither does.
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

pub(crate) async fn handle(call: &Call<'_>, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    // Version 0 has a flag for each feature instead of the kind of change.
    let has_kinds = call.version() >= 1;
    let result = match parse(has_kinds, &request.feature_updates) {
        Ok(updates) => call.broker().update_features(updates, request.validate_only).await,
        Err(error) => Err(error),
    };
    let response = UpdateFeaturesResponse::default();
    match result {
        Err(error) => response
            .with_error_code(error.kind.kafka_code())
            .with_error_message(Some(text(format!("The update failed for all features: {}", error.message)))),
        // From version 2 on there is one result for all.
        Ok(()) if call.version() >= 2 => response.with_error_message(None),
        Ok(()) => {
            let results = request.feature_updates.into_iter().map(|update| {
                UpdatableFeatureResult::default().with_feature(update.feature).with_error_message(None)
            });
            response.with_error_message(None).with_results(results.collect())
        }
    }
}

fn parse(has_kinds: bool, asked: &[FeatureUpdateKey]) -> Result<Vec<FeatureUpdate>, Error> {
    let invalid = |message: &str| Err(Error::new(ErrorKind::InvalidRequest, message));
    if asked.is_empty() {
        return invalid("Can not provide empty FinalizedFeatures in the request.");
    }
    let mut named = HashSet::new();
    let mut updates = Vec::with_capacity(asked.len());
    for update in asked {
        if !named.insert(&update.feature) {
            return invalid("the request names a feature more than once");
        }
        let change = match update.upgrade_type {
            _ if !has_kinds && update.allow_downgrade => FeatureChange::Downgrade,
            _ if !has_kinds => FeatureChange::Upgrade,
            UPGRADE => FeatureChange::Upgrade,
            SAFE_DOWNGRADE | UNSAFE_DOWNGRADE => FeatureChange::Downgrade,
            _ => return invalid("the kind of change is not known"),
        };
        let feature = update.feature.to_string();
        updates.push(FeatureUpdate { feature, level: update.max_version_level, change });
    }
    Ok(updates)
}
