//! From an empty or left-behind data directory to a running broker.
//!
//! 1. The metadata journal is opened; it knows (or now gets) the cluster's id, and which journals
//!    partitions live on.
//! 2. The bucket is claimed. One that cannot be reached does not keep the broker from serving; one
//!    that belongs to another cluster does.
//! 3. The data journals are opened, and partitions brought in line with the metadata.
//! 4. Topics become visible, groups are loaded, the archive is looked after.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use futures::future::try_join_all;
use parking_lot::RwLock;
use tidemill_archive::{Archive, ArchiveOptions, Error as ArchiveError};
use tidemill_disk::{Clock, Disk};
use tidemill_functions::{Host, HostOptions};
use tidemill_groups::Coordinator;
use tidemill_journal::{DirectWrites, Journal, Options};
use tidemill_state::{Command, MetadataCommand, TopicMetadata};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::archive::{self, Bucket, Housekeeping};
use crate::broker::Broker;
use crate::client_metrics::ClientMetrics;
use crate::client_quotas;
use crate::config::{BrokerConfig, overlay};
use crate::error::{Error, ErrorKind};
use crate::fetch::{ReadAhead, Reader, Sessions, Waiters};
use crate::functions::{self, Functions};
use crate::group_store::JournalGroupStore;
use crate::journals::{Journals, METADATA, done, rejected};
use crate::listener::{Fanout, PartitionListener};
use crate::metrics::Metrics;
use crate::offset_retention;
use crate::produce::{CpuPool, Stamps};
use crate::producer_ids::ProducerIds;
use crate::topics::{Registry, reconcile, to_topic};
use crate::transactions::{self, Transactions};

/// What the journals are opened with.
struct Opener {
    config: Arc<BrokerConfig>,
    disk: Arc<dyn Disk>,
    waiters: Arc<Waiters>,
    housekeeping: Arc<Housekeeping>,
    listeners: Arc<RwLock<Vec<Arc<dyn PartitionListener>>>>,
}

impl Broker {
    /// Starts a broker over a data directory, which must not be in use by another one.
    pub async fn start(
        config: BrokerConfig,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Error> {
        let config = Arc::new(config);
        let opener = Opener {
            config: Arc::clone(&config),
            disk: Arc::clone(&disk),
            waiters: Arc::default(),
            housekeeping: Arc::default(),
            listeners: Arc::default(),
        };
        let metadata = opener.open(METADATA, 1).await?;
        let cluster_id = cluster_id(&metadata).await?;
        let live = metadata.state(|state| overlay(&config, state.metadata()));
        let quotas = metadata.state(|state| client_quotas::load(state.metadata()));
        let client_metrics = Arc::new(ClientMetrics::load(&config, &metadata));
        let bucket = Arc::new(open_bucket(&config, cluster_id).await?);
        let topics: Vec<TopicMetadata> = metadata.state(|state| {
            state.metadata().topics().values().map(|topic| TopicMetadata::clone(topic)).collect()
        });
        let journals = Arc::new(opener.open_all(metadata, &topics).await?);
        prepare_scratch(&config.data_dir)?;
        journals.remember_producers(i64::from(live.producer_id_expiration_ms)).await?;
        let store = JournalGroupStore::new(Arc::clone(&journals), Arc::clone(&clock));
        let groups = Coordinator::start(Arc::new(store), group_options(&config))
            .await
            .map_err(|error| Error::new(ErrorKind::CoordinatorNotAvailable, error.to_string()))?;
        let (stopping, tasks) = (CancellationToken::new(), TaskTracker::new());
        let producer_ids = Arc::<ProducerIds>::default();
        let transactions = Transactions::new(
            Arc::clone(&journals),
            Arc::clone(&clock),
            Arc::clone(&producer_ids),
            config.transaction_max_timeout_ms,
            stopping.clone(),
            tasks.clone(),
        );
        let broker = Arc::new(Self {
            cluster_id,
            groups,
            transactions,
            functions: Functions::new(function_host(&config)?),
            reader: reader(&config, &bucket),
            bucket,
            client_metrics,
            fetch_sessions: Sessions::new(config.max_incremental_fetch_session_cache_slots),
            read_ahead: ReadAhead::new(usize::try_from(config.fetch_read_ahead_bytes).unwrap_or(0)),
            metrics: Arc::new(Metrics::new(usize::try_from(config.metrics_max_topics).unwrap_or(0))),
            cpu: CpuPool::new(config.cpu_worker_count()),
            config,
            live: watch::Sender::new(Arc::new(live)),
            quotas: watch::Sender::new(quotas),
            disk,
            clock,
            journals,
            registry: Registry::default(),
            housekeeping: opener.housekeeping,
            fetch_waiters: opener.waiters,
            listeners: opener.listeners,
            producer_ids,
            stamps: Stamps::default(),
            stopping,
            tasks,
        });
        broker.bring_in_line(topics).await?;
        broker.tasks.spawn(archive::run(Arc::clone(&broker)));
        broker.tasks.spawn(offset_retention::run(Arc::clone(&broker)));
        broker.tasks.spawn(transactions::run(Arc::clone(&broker)));
        functions::start(&broker);
        Ok(broker)
    }

    /// Makes the data journals have what the metadata says, then makes the topics visible.
    async fn bring_in_line(&self, topics: Vec<TopicMetadata>) -> Result<(), Error> {
        let open: HashMap<u32, Vec<_>> = self
            .journals
            .all_data()
            .map(|(id, journal)| (id, journal.state(|state| state.partitions().keys().copied().collect())))
            .collect();
        let commands = reconcile::plan(&topics, &open);
        if !commands.is_empty() {
            tracing::info!(commands = commands.len(), "partitions are brought in line with the metadata");
        }
        self.propose_many(&mut commands.into_iter()).await?;
        for topic in topics {
            let id = topic.topic_id;
            self.registry.update(&id, || Some(to_topic(topic, &self.config().topic_defaults)));
        }
        Ok(())
    }

    /// Each data journal's share of `hot.bytes`.
    pub(crate) fn hot_bytes_per_journal(&self) -> u64 {
        hot_bytes_share(&self.config, self.journals.all_data().count())
    }
}

fn hot_bytes_share(config: &BrokerConfig, journals: usize) -> u64 {
    let share = u64::try_from(config.hot_bytes).unwrap_or(0) / (journals.max(1) as u64);
    share.max(4 * u64::try_from(config.wal_segment_bytes).unwrap_or(0))
}

impl Opener {
    /// Opens the data journals that the setting asks for, and those that hold partitions already.
    async fn open_all(&self, metadata: Journal, topics: &[TopicMetadata]) -> Result<Journals, Error> {
        let groups = metadata.state(|state| state.metadata().group_journals().values().max().copied());
        let placed = topics.iter().flat_map(|topic| &topic.journals).max().copied();
        let spread = self.config.journal_count();
        let count = spread.max(placed.unwrap_or(0)).max(groups.unwrap_or(0));
        let share = usize::try_from(count).unwrap_or(1);
        let data = try_join_all((1..=count).map(|id| self.open(id, share))).await?;
        Ok(Journals::new(metadata, data, spread))
    }

    async fn open(&self, id: u32, share: usize) -> Result<Journal, Error> {
        let config = &self.config;
        let node_id = u64::try_from(config.node_id).unwrap_or(0);
        let dir = config.data_dir.join("journals").join(id.to_string());
        let cache_bytes = usize::try_from(config.hot_cache_bytes).unwrap_or(0) / share.max(1);
        let segment_bytes = u64::try_from(config.wal_segment_bytes).unwrap_or(64 << 20);
        let wal_bytes = hot_bytes_share(config, share);
        let options = Options {
            segment_bytes,
            // The metadata journal serves no records.
            cache_bytes: if id == METADATA { 1 << 20 } else { cache_bytes },
            page_cache_bytes: u64::try_from(config.hot_page_cache_bytes).unwrap_or(0) / share.max(1) as u64,
            direct_writes: match config.hot_direct_writes {
                true => DirectWrites::WhereUnread,
                false => DirectWrites::Never,
            },
            relocate_below_bytes: segment_bytes / 16,
            relocate_above_bytes: wal_bytes / 2,
            checkpoint_bytes: (wal_bytes / 16).clamp(1 << 20, 64 << 20),
            wal_bytes,
            reserve_bytes: u64::try_from(config.disk_reserve_bytes).unwrap_or(0),
            ..Options::single(id, node_id, dir)
        };
        let listener = Fanout {
            journal: id,
            waiters: Arc::clone(&self.waiters),
            housekeeping: Arc::clone(&self.housekeeping),
            others: Arc::clone(&self.listeners),
        };
        let opened = Journal::open(options, Arc::clone(&self.disk), Arc::new(listener)).await;
        opened.map_err(|error| Error::from(error).context(format_args!("journal {id}")))
    }
}

/// The cluster's id; a new cluster gets one.
async fn cluster_id(metadata: &Journal) -> Result<Uuid, Error> {
    if let Some(id) = metadata.state(|state| state.metadata().cluster_id()) {
        return Ok(id);
    }
    let cluster_id = Uuid::new_v4();
    let claim = Command::Metadata(MetadataCommand::ClaimCluster { cluster_id });
    done(metadata.propose(claim).await?).map_err(|rejection| rejected(&rejection))?;
    Ok(cluster_id)
}

async fn open_bucket(config: &BrokerConfig, cluster_id: Uuid) -> Result<Bucket, Error> {
    let mut options = ArchiveOptions::new(config.object_store_url(), config.data_dir.join("cache"));
    options.cache_bytes = u64::try_from(config.archive_cache_bytes).unwrap_or(0);
    options.page_cache_bytes = u64::try_from(config.archive_page_cache_bytes).unwrap_or(0);
    let bucket = Bucket::new(Archive::open(options).await?, cluster_id);
    match bucket.claim().await {
        Ok(()) => {}
        Err(error @ (ArchiveError::ForeignCluster { .. } | ArchiveError::Corrupt { .. })) => {
            return Err(error.into());
        }
        Err(error) => tracing::warn!(%error, "the bucket cannot be reached; records stay hot until it can"),
    }
    Ok(bucket)
}

fn reader(config: &BrokerConfig, bucket: &Arc<Bucket>) -> Reader {
    Reader::new(Arc::clone(bucket), usize::try_from(config.archive_fetch_concurrency).unwrap_or(1))
}

/// An empty folder for objects on their way: what a crash left there is of no use.
fn prepare_scratch(data_dir: &Path) -> Result<(), Error> {
    let dir = archive::scratch_dir(data_dir);
    let prepared = match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(&dir),
    };
    prepared.map_err(|error| Error::new(ErrorKind::KafkaStorageError, format!("{}: {error}", dir.display())))
}

/// Compiled code is kept below the data directory, so that a restart does not compile it again.
fn function_host(config: &BrokerConfig) -> Result<Host, Error> {
    let options = HostOptions {
        cache_dir: Some(config.data_dir.join("cache").join("functions")),
        ..HostOptions::default()
    };
    Host::new(options).map_err(|error| Error::new(ErrorKind::UnknownServerError, error.to_string()))
}

fn group_options(config: &BrokerConfig) -> tidemill_groups::Options {
    tidemill_groups::Options {
        initial_rebalance_delay_ms: u64::try_from(config.group_initial_rebalance_delay_ms).unwrap_or(0),
        min_session_timeout_ms: config.group_min_session_timeout_ms,
        max_session_timeout_ms: config.group_max_session_timeout_ms,
        max_group_size: usize::try_from(config.group_max_size).unwrap_or(0),
        offset_metadata_max_bytes: usize::try_from(config.offset_metadata_max_bytes).unwrap_or(0),
        ..tidemill_groups::Options::default()
    }
}
