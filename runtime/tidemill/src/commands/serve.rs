//! `tidemill serve`: the broker with its Kafka and HTTP servers.

use std::fs::{File, TryLockError};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use tidemill_broker::{Broker, BrokerConfig, Sources};
use tidemill_disk::{RealDisk, SystemClock};
use tidemill_http_server::HttpServer;
use tidemill_kafka_server::{KafkaServer, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Arguments of `tidemill serve`.
#[derive(clap::Args)]
#[command(after_help = "Every setting can also be given as TIDEMILL_* in the environment or as a key in the
TOML file of --config; settings that Kafka has keep Kafka's names.

Examples:
  tidemill serve --data-dir data
  tidemill serve --data-dir data --kafka-addr 0.0.0.0:9092 --advertised-kafka-addr broker.example:9092
  AWS_ENDPOINT_URL=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_ALLOW_HTTP=true \\
      tidemill serve --data-dir data --object-store s3://bucket/prefix
  TIDEMILL_LOG=debug tidemill serve --data-dir data --set num.partitions=4")]
pub struct Args {
    /// Where journals, caches and (by default) the archive live.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the Kafka protocol is served [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    kafka_addr: Option<String>,
    /// What Kafka clients are told to connect to [default: the listening address].
    #[arg(long, value_name = "HOST:PORT")]
    advertised_kafka_addr: Option<String>,
    /// Where HTTP is served [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT")]
    http_addr: Option<String>,
    /// The archive's bucket: file:///…, s3://…, gs://… or az://… [default: DIR/objects].
    #[arg(long, value_name = "URL")]
    object_store: Option<String>,
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "TIDEMILL_CONFIG")]
    config: Option<PathBuf>,
    /// Any other setting; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    settings: Vec<(String, String)>,
}

/// Runs `tidemill serve` until SIGINT or SIGTERM.
pub fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    start_logging()?;
    let config = load_config(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime did not start")?;
    runtime.block_on(serve(config, started))
}

fn start_logging() -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .with_env_var("TIDEMILL_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()
        .context("TIDEMILL_LOG is not a valid filter, such as info or tidemill_broker=debug")?;
    let filter = filter.add_directive("openraft=error".parse()?);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

fn load_config(args: Args) -> anyhow::Result<BrokerConfig> {
    let file = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.with_context(|| format!("the configuration file {} cannot be read", path.display()))?)
        }
        None => None,
    };
    let data_dir = args.data_dir.map(|dir| dir.to_string_lossy().into_owned());
    let flags = [
        ("data-dir", data_dir),
        ("kafka-addr", args.kafka_addr),
        ("advertised-kafka-addr", args.advertised_kafka_addr),
        ("http-addr", args.http_addr),
        ("object-store", args.object_store),
    ];
    let flags = flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let sources = Sources {
        file,
        // A variable that is not text cannot be one of ours.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        flags: flags.chain(args.settings).collect(),
    };
    Ok(BrokerConfig::load(&sources)?)
}

async fn serve(config: BrokerConfig, started: Instant) -> anyhow::Result<()> {
    let _lock = lock(&config.data_dir)?;
    let options = Options::from_config(&config);
    let (kafka_addr, http_addr) = (config.kafka_addr.clone(), config.http_addr.clone());
    let (data_dir, object_store) = (config.data_dir.clone(), config.object_store_url());
    let broker = Broker::start(config, Arc::new(RealDisk), Arc::new(SystemClock)).await?;
    let kafka = KafkaServer::bind(&kafka_addr, Arc::clone(&broker), options).await?;
    let http = HttpServer::bind(&http_addr, Arc::clone(&broker))
        .await
        .with_context(|| format!("cannot listen on {http_addr}"))?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        kafka = %kafka.local_addr(),
        http = %http.local_addr()?,
        data_dir = %data_dir.display(),
        object_store,
        after_ms = started.elapsed().as_millis(),
        "ready"
    );
    let stop = CancellationToken::new();
    let http = tokio::spawn(http.serve(stop.clone().cancelled_owned()));
    wait_for_signal().await?;
    tracing::info!("stopping");
    stop.cancel();
    kafka.shutdown().await;
    broker.shutdown().await;
    http.await.context("the HTTP server ended badly")?.context("the HTTP server failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// Keeps a second broker off the data directory for as long as the file is open.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("the data directory {} cannot be created", data_dir.display()))?;
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another broker is using the data directory {}", data_dir.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
