//! Everything a group can answer instead of what was asked. One variant per Kafka error.

use crate::store::StoreError;

/// Why a group request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// INVALID_GROUP_ID.
    #[error("the group id is empty or too long")]
    InvalidGroupId,
    /// COORDINATOR_NOT_AVAILABLE: try again later.
    #[error("the group coordinator is not available: {0}")]
    NotAvailable(String),
    /// UNKNOWN_MEMBER_ID.
    #[error("no such member in the group")]
    UnknownMemberId,
    /// ILLEGAL_GENERATION.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// REBALANCE_IN_PROGRESS.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// INCONSISTENT_GROUP_PROTOCOL.
    #[error("the member's protocols do not fit the group's")]
    InconsistentProtocol,
    /// INVALID_SESSION_TIMEOUT.
    #[error("the session timeout is outside of what the broker allows")]
    InvalidSessionTimeout,
    /// MEMBER_ID_REQUIRED: join again with this id.
    #[error("join again as member {member_id}")]
    MemberIdRequired {
        /// The id to use.
        member_id: String,
    },
    /// FENCED_INSTANCE_ID.
    #[error("another member has this group instance id")]
    FencedInstanceId,
    /// GROUP_MAX_SIZE_REACHED.
    #[error("the group or the coordinator is full")]
    GroupMaxSizeReached,
    /// NON_EMPTY_GROUP.
    #[error("the group has members")]
    NonEmptyGroup,
    /// GROUP_ID_NOT_FOUND.
    #[error("no such group")]
    GroupIdNotFound,
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// The store refused for good.
    #[error("{0}")]
    Refused(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => Error::NotAvailable(reason),
            StoreError::Refused(reason) => Error::Refused(reason),
        }
    }
}
