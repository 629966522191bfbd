//! Guests, built once, and what it takes to call them.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use tidemill_functions::{
    AllowList, BatchFacts, CallError, Host, HostOptions, Instance, InstanceOptions, Limits, LogRing, Module,
    Output,
};
use tidemill_records::Records;

/// The module in `tests/guests/<name>`.
pub fn guest(name: &str) -> Bytes {
    static BUILT: OnceLock<BTreeMap<&str, Bytes>> = OnceLock::new();
    let all = BUILT.get_or_init(|| ["transform", "sink"].map(|name| (name, build(name))).into());
    all[name].clone()
}

fn build(name: &str) -> Bytes {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Beside the tests' own build folder, so that guests are compiled once for all tests.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../guests");
    std::fs::create_dir_all(&target).unwrap();
    let output = Command::new(root.join("scripts/build-guest.sh"))
        .arg(root.join("tests/guests").join(name))
        .env("TIDEMILL_GUEST_TARGET_DIR", target.canonicalize().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the guest {name} was not built:\n{said}");
    let path = String::from_utf8(output.stdout).unwrap();
    Bytes::from(std::fs::read(PathBuf::from(path.lines().last().unwrap())).unwrap())
}

/// A host with two workers, and compiled code from earlier runs.
pub fn host() -> Host {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("function-code");
    host_with(HostOptions { cache_dir: Some(cache_dir), ..HostOptions::default() })
}

pub fn host_with(options: HostOptions) -> Host {
    Host::new(HostOptions { workers: Some(2), ..options }).unwrap()
}

pub async fn module(host: &Host, name: &str) -> Module {
    let bytes = guest(name);
    let info = host.inspect(&bytes).unwrap();
    host.load(info.sha256, bytes).await.unwrap()
}

/// An instance with its log.
pub struct Guest {
    pub instance: Instance,
    pub log: Arc<LogRing>,
}

/// Settings of an instance under test.
pub struct Setup {
    pub config: Vec<(&'static str, String)>,
    pub limits: Limits,
    pub allow_http: Vec<String>,
}

impl Setup {
    pub fn mode(mode: &str) -> Self {
        let limits = Limits { memory_bytes: 64 << 20, deadline_ms: 2_000, output_bytes: 1 << 20 };
        Setup { config: vec![("mode", mode.to_owned())], limits, allow_http: Vec::new() }
    }

    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        self.config.push((key, value.to_owned()));
        self
    }

    pub fn allow(mut self, host: &str) -> Self {
        self.allow_http.push(host.to_owned());
        self
    }

    pub fn deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.limits.deadline_ms = deadline_ms;
        self
    }

    pub fn memory_bytes(mut self, memory_bytes: u64) -> Self {
        self.limits.memory_bytes = memory_bytes;
        self
    }

    pub fn output_bytes(mut self, output_bytes: u64) -> Self {
        self.limits.output_bytes = output_bytes;
        self
    }

    pub fn of(self, module: &Module) -> Guest {
        let log = Arc::new(LogRing::new(10_000));
        let config = self.config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let instance = module.instantiate(InstanceOptions {
            config: Arc::new(config),
            limits: self.limits,
            allow_http: Arc::new(AllowList::parse(self.allow_http).unwrap()),
            log: log.clone(),
        });
        Guest { instance, log }
    }
}

impl Guest {
    pub async fn transform(&mut self, records: &Section) -> Result<Vec<Output>, CallError> {
        self.instance.transform(records.facts.clone(), records.bytes.clone()).await
    }

    pub async fn sink(&mut self, records: &Section) -> Result<(), CallError> {
        self.instance.sink(records.facts.clone(), "test-delivery".to_owned(), records.bytes.clone()).await
    }

    pub fn logged(&self) -> Vec<String> {
        self.log.tail(10_000).into_iter().map(|line| format!("{} {}", line.level.name(), line.text)).collect()
    }
}

/// A record section with what belongs to it.
#[derive(Clone)]
pub struct Section {
    pub facts: BatchFacts,
    pub bytes: Bytes,
}

pub type OwnedRecord = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

/// A section of records with these values.
pub fn values<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Section {
    let records = values.into_iter().map(|value| (None, Some(value.as_ref().to_vec()), Vec::new()));
    section(&records.collect::<Vec<_>>())
}

pub fn section(records: &[OwnedRecord]) -> Section {
    let mut builder = tidemill_records::BatchBuilder::new(tidemill_records::BatchFacts::default());
    for (delta, (key, value, headers)) in records.iter().enumerate() {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
        builder.push(delta as i32, delta as i64, key.as_deref(), value.as_deref(), &headers);
    }
    let facts = BatchFacts {
        topic: "input".into(),
        partition: 3,
        base_offset: 100,
        base_timestamp: 1_000,
        log_append_time: None,
        record_count: records.len() as u32,
    };
    Section { facts, bytes: Bytes::copy_from_slice(builder.section()) }
}

pub fn read(output: &Output) -> Vec<OwnedRecord> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    Records::new(&output.records, output.record_count)
        .map(|record| {
            let record = record.unwrap();
            let headers = record.headers.iter();
            let headers =
                headers.map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), owned(value)));
            (owned(record.key), owned(record.value), headers.collect())
        })
        .collect()
}

/// The values that went to the first output, as text.
pub fn texts(outputs: &[Output]) -> Vec<String> {
    let records = outputs.iter().filter(|output| output.output == 0).flat_map(read);
    records.map(|(_, value, _)| String::from_utf8(value.unwrap()).unwrap()).collect()
}
