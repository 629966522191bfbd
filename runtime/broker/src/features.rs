//! Features whose level an operator chooses, as Kafka's UpdateFeatures does. There is one: by the
//! level of `transaction.version` clients know how to take part in transactions (KIP-890). A request
//! says by its own version which way its client has taken, so the level needs to be told to clients
//! and to nobody else.

use tidemill_state::{Command, MetadataCommand};

use crate::broker::Broker;
use crate::error::{Error, ErrorKind};
use crate::journals::{done, rejected};

/// The feature by which clients know that each transaction has its own epoch.
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// The highest level of it, which holds unless another was set.
pub const MAX_TRANSACTION_VERSION: i16 = 2;

/// How a level may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureChange {
    /// It may rise.
    Upgrade,
    /// It may fall.
    Downgrade,
}

/// A level that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature's name.
    pub feature: String,
    /// The level.
    pub level: i16,
    /// How it may change.
    pub change: FeatureChange,
}

/// Kafka's rules, and its words.
fn check(current: i16, update: &FeatureUpdate) -> Result<(), Error> {
    let FeatureUpdate { feature, level, change } = update;
    let refused = |why: &str| {
        let message = format!("Invalid update version {level} for feature {feature}. {why}");
        Err(Error::new(ErrorKind::InvalidUpdateVersion, message))
    };
    if feature != TRANSACTION_VERSION {
        return refused("This broker does not support this feature.");
    }
    if !(0..=MAX_TRANSACTION_VERSION).contains(level) {
        return refused("This broker only supports versions 0-2.");
    }
    match change {
        FeatureChange::Upgrade if *level < current => refused(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
             unsafe downgrade.",
        ),
        FeatureChange::Downgrade if *level > current => refused("Can't downgrade to a newer version."),
        _ => Ok(()),
    }
}

impl Broker {
    /// The level of `transaction.version`; 0 if it is off.
    #[must_use]
    pub fn transaction_version(&self) -> i16 {
        let metadata = self.journals.metadata();
        let set = metadata.state(|state| state.metadata().feature_level(TRANSACTION_VERSION));
        set.unwrap_or(MAX_TRANSACTION_VERSION)
    }

    /// Grows with every change of a level.
    #[must_use]
    pub fn features_epoch(&self) -> i64 {
        let epoch = self.journals.metadata().state(|state| state.metadata().features_epoch());
        i64::try_from(epoch).unwrap_or(i64::MAX)
    }

    /// Sets levels, all of them or none.
    pub async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
    ) -> Result<(), Error> {
        let current = self.transaction_version();
        updates.iter().try_for_each(|update| check(current, update))?;
        if validate_only {
            return Ok(());
        }
        for FeatureUpdate { feature, level, .. } in updates {
            if level == self.transaction_version() {
                continue;
            }
            let command = MetadataCommand::SetFeatureLevel { feature, level };
            let outcome = self.journals.metadata().propose(Command::Metadata(command)).await?;
            done(outcome).map_err(|rejection| rejected(&rejection))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_change_in_the_direction_that_was_said() {
        let update =
            |feature: &str, level, change| FeatureUpdate { feature: feature.to_owned(), level, change };
        let up = |level| check(1, &update(TRANSACTION_VERSION, level, FeatureChange::Upgrade));
        let down = |level| check(1, &update(TRANSACTION_VERSION, level, FeatureChange::Downgrade));
        assert!(up(1).is_ok() && up(2).is_ok() && down(1).is_ok() && down(0).is_ok());
        assert!(up(0).is_err() && down(2).is_err() && up(3).is_err() && down(-1).is_err());
        assert!(check(1, &update("metadata.version", 1, FeatureChange::Upgrade)).is_err());
    }
}
