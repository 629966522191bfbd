//! The broker core: topics, partitions, produce, fetch, groups, sealing.
//!
//! [`Broker::start`] opens the journals of a data directory and returns a handle that servers share.
//! Everything durable is in the journals (`tidemill-journal`) and in the bucket (`tidemill-archive`);
//! what is here is what connects them:
//!
//! - `topics`: what requests look up, and how topics come and go;
//! - `produce`: validate, queue in order, acknowledge when on disk;
//! - `fetch`: one read path over hot and archived records, and long polls;
//! - `archive`: when to seal, sealing, retention, clean-up;
//! - `functions`: deploying WebAssembly modules, running them, committing what they did;
//! - `transactions`: Kafka's transactions, across partitions and groups;
//! - `client_metrics`: metrics that clients push;
//! - `committed`, `listener`: what functions hang on.

mod archive;
mod broker;
mod client_metrics;
mod client_quotas;
mod committed;
mod config;
mod error;
mod features;
mod fetch;
mod functions;
mod group_store;
mod journals;
#[cfg(test)]
mod journals_tests;
mod listener;
mod metrics;
mod offset_retention;
mod offsets;
mod partition;
mod produce;
mod producer_ids;
mod quorum;
mod sizes;
mod start;
mod topics;
mod transactions;

pub use archive::{PartitionArchive, TopicArchive, VerifyReport};
pub use broker::{Broker, Readiness};
pub use client_metrics::{PushedMetrics, TelemetryGrant};
pub use client_quotas::{
    CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, ClientQuotas, PRODUCER_BYTE_RATE, REQUEST_PERCENTAGE,
};
pub use committed::CommittedRead;
pub use config::{
    BrokerConfig, ConfigEntry, ConfigSource, ConfigSynonym, ConnectionOverrides, Described, Sources,
    ValueKind, alter_group_configs, describe, describe_group_configs,
};
pub use error::{Error, ErrorKind};
pub use features::{FeatureChange, FeatureUpdate, MAX_TRANSACTION_VERSION, TRANSACTION_VERSION};
pub use fetch::{
    AbortedTransaction, FetchPartition, FetchRequest, FetchedPartition, Isolation, SessionFetch,
    SessionFetched,
};
pub use functions::{FunctionView, InstanceView, NewFunction};
pub use listener::PartitionListener;
pub use offsets::{EpochEnd, ListedOffset, OffsetSpec};
pub use partition::Watermarks;
pub use produce::{PartitionProduced, PendingProduce, ProducePartition, ProduceRequest, Produced};
pub use producer_ids::ProducerIdentity;
pub use quorum::MetadataQuorum;
pub use sizes::{LogDirs, PartitionSize};
pub use tidemill_state::{PartitionId, QuotaEntity, QuotaName, TransactionStatus};
pub use tidemill_telemetry::ClientFacts;
pub use topics::{
    CleanupPolicy, NewTopic, PLACEMENT_GROUP, PartitionPlacement, Topic, TopicConfig, TopicDeletion, TopicRef,
};
pub use transactions::{
    DescribedTransaction, ListedTransaction, OffsetsRefused, PartitionProducer, TransactionFilter,
    TransactionalProduce,
};
