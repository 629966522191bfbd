//! Kafka's error codes: for the errors of the groups, and for what the handlers find themselves.
//! Errors of the broker bring their own.

use tidemill_groups::Error as GroupError;

pub(crate) const NONE: i16 = 0;
pub(crate) const UNKNOWN_SERVER_ERROR: i16 = -1;
pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub(crate) const LEADER_NOT_AVAILABLE: i16 = 5;
pub(crate) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
pub(crate) const OFFSET_METADATA_TOO_LARGE: i16 = 12;
pub(crate) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
pub(crate) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
pub(crate) const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
pub(crate) const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
pub(crate) const ELECTION_NOT_NEEDED: i16 = 84;
pub(crate) const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
pub(crate) const RESOURCE_NOT_FOUND: i16 = 91;
pub(crate) const UNSUPPORTED_VERSION: i16 = 35;
pub(crate) const INVALID_REQUEST: i16 = 42;
pub(crate) const OPERATION_NOT_ATTEMPTED: i16 = 55;
pub(crate) const GROUP_ID_NOT_FOUND: i16 = 69;
pub(crate) const FENCED_LEADER_EPOCH: i16 = 74;
pub(crate) const GROUP_SUBSCRIBED_TO_TOPIC: i16 = 86;
pub(crate) const UNSTABLE_OFFSET_COMMIT: i16 = 88;
pub(crate) const INVALID_REGULAR_EXPRESSION: i16 = 128;
pub(crate) const UNSUPPORTED_ENDPOINT_TYPE: i16 = 115;

/// The code of a group error.
pub(crate) fn of_group(error: &GroupError) -> i16 {
    match error {
        GroupError::NotAvailable(_) => COORDINATOR_NOT_AVAILABLE,
        GroupError::IllegalGeneration => 22,
        GroupError::InconsistentProtocol => INCONSISTENT_GROUP_PROTOCOL,
        GroupError::InvalidGroupId => 24,
        GroupError::UnknownMemberId => 25,
        GroupError::InvalidSessionTimeout => 26,
        GroupError::RebalanceInProgress => 27,
        GroupError::InvalidRequest(_) => INVALID_REQUEST,
        GroupError::NonEmptyGroup => 68,
        GroupError::GroupIdNotFound => GROUP_ID_NOT_FOUND,
        GroupError::MemberIdRequired { .. } => 79,
        GroupError::GroupMaxSizeReached => 81,
        GroupError::FencedInstanceId => 82,
        GroupError::Refused(_) => UNKNOWN_SERVER_ERROR,
    }
}

/// The code of a group request's result.
pub(crate) fn of_group_result<T>(result: &Result<T, GroupError>) -> i16 {
    result.as_ref().map_or_else(of_group, |_| NONE)
}
