//! Why a request is not granted, by Kafka's errors.

/// One variant per Kafka error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// INVALID_PRODUCER_ID_MAPPING.
    #[error("the transactional id does not exist, or has another producer id")]
    InvalidProducerIdMapping,
    /// PRODUCER_FENCED (INVALID_PRODUCER_EPOCH to clients that do not know it).
    #[error("a newer producer has this transactional id")]
    ProducerFenced,
    /// CONCURRENT_TRANSACTIONS: try again.
    #[error("the last transaction is still being completed")]
    ConcurrentTransactions,
    /// INVALID_TXN_STATE.
    #[error("the transaction is not in a state in which this can be done")]
    InvalidTransactionState,
    /// TRANSACTION_ABORTABLE (INVALID_TXN_STATE to clients that do not know it).
    #[error("this was not added to the transaction")]
    NotInTransaction,
    /// INVALID_TRANSACTION_TIMEOUT.
    #[error("the transaction timeout is not positive, or longer than transaction.max.timeout.ms")]
    InvalidTimeout,
}
