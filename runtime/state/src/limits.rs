//! Every bound of entries and state, in one place. Apply enforces them, so they are part of the
//! deterministic state machine: changing one needs a new entry version.

/// Largest encoded entry.
pub const MAX_ENTRY_BYTES: usize = 64 << 20;
/// Most commands in one entry.
pub const MAX_COMMANDS: usize = 1 << 16;
/// Most elements of one list in a command.
pub const MAX_LIST_ELEMENTS: usize = 1 << 17;
/// Most list elements and batches of all commands of one entry together.
pub const MAX_ENTRY_ELEMENTS: usize = 1 << 20;
/// Longest name, path or client's note that a command may carry.
pub const MAX_STRING_BYTES: usize = 32 << 10;
/// Most partitions of one topic.
pub const MAX_TOPIC_PARTITIONS: usize = 100_000;

/// Batches kept per idempotent producer to recognise retries, as in Kafka.
pub const PRODUCER_BATCHES: usize = 5;
/// How long a silent idempotent producer is remembered (Kafka's `producer.id.expiration.ms`), where
/// nothing else was set.
pub const PRODUCER_EXPIRY_MS: i64 = 24 * 60 * 60 * 1000;
/// Producers with a transaction open in one partition; beyond it no more may begin one there.
pub const MAX_OPEN_TRANSACTIONS: usize = MAX_PRODUCERS / 2;
/// Transactional ids of one journal.
pub const MAX_TRANSACTIONAL_IDS: usize = 200_000;
/// Partitions of one transaction.
pub const MAX_TRANSACTION_PARTITIONS: usize = 50_000;
/// Groups of one transaction.
pub const MAX_TRANSACTION_GROUPS: usize = 1_000;
/// Producers remembered per group for the transactions they committed offsets in; beyond it those
/// without one under way that were silent for longest go.
pub const MAX_GROUP_PRODUCERS: usize = 1_000;
/// How often, at most, a partition looks for expired producers.
pub const PRODUCER_SWEEP_MS: i64 = 10 * 60 * 1000;
/// Idempotent producers remembered per partition; beyond it those silent for longest go.
pub const MAX_PRODUCERS: usize = 10_000;
/// Leader epochs remembered per partition; beyond it the oldest go.
pub const MAX_LEADER_EPOCHS: usize = 1_000;

/// Longest user, client id, address or name of a quota.
pub const MAX_QUOTA_NAME_BYTES: usize = 8 << 10;
/// Longest name of a feature.
pub const MAX_FEATURE_NAME_BYTES: usize = 249;
/// Features whose level was set.
pub const MAX_FEATURES: usize = 100;
/// Subscriptions to metrics of clients.
pub const MAX_CLIENT_METRICS: usize = 1_000;

/// Largest group snapshot.
pub const MAX_GROUP_SNAPSHOT_BYTES: usize = 16 << 20;
/// Undelivered outbox bytes of one function instance.
pub const MAX_OUTBOX_BYTES: usize = 64 << 20;
/// Guest state of one function instance: keys and values together.
pub const MAX_GUEST_STATE_BYTES: usize = 64 << 20;
/// Longest key of guest state.
pub const MAX_GUEST_KEY_BYTES: usize = 16 << 10;
