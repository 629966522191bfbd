//! What the host does for functions that behave.

use crate::guests::{OwnedRecord, Setup, guest, host, host_with, module, read, section, texts, values};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::{Duration, Instant};
use tidemill_functions::{CallError, HostOptions, Kind, Limits};

#[tokio::test]
async fn modules_say_what_they_are() {
    let host = host();
    let transform = host.inspect(&guest("transform")).unwrap();
    assert_eq!((transform.kind, transform.abi.as_str()), (Kind::Transform, "0.1.0"));
    assert_eq!(host.inspect(&guest("sink")).unwrap().kind, Kind::Sink);
    let error = host.load([0; 32], guest("sink")).await.unwrap_err();
    assert!(error.to_string().contains("not those that were uploaded"), "{error}");
    let cut_off = guest("sink").slice(..5_000);
    assert!(host.inspect(&cut_off).is_err());
}

#[tokio::test]
async fn facts_config_and_logs_get_through() {
    let module = module(&host(), "transform").await;
    let mut guest = Setup::mode("facts").set("who", "Zoë").of(&module);
    let outputs = guest.transform(&values(["a", "b"])).await.unwrap();
    assert_eq!(texts(&outputs), ["input/3@100 t=1000 of 2 for Zoë", "input/3@101 t=1001 of 2 for Zoë"]);
    assert_eq!((outputs[0].base_timestamp, outputs[0].max_timestamp), (1_000, 1_001));
    assert_eq!(
        guest.logged(),
        [
            "info input/3@100 t=1000 of 2 for Zoë",
            "info printed 100",
            "info input/3@101 t=1001 of 2 for Zoë",
            "info printed 101"
        ]
    );
    let mut appended = values(["a"]);
    appended.facts.log_append_time = Some(77);
    assert_eq!(texts(&guest.transform(&appended).await.unwrap()), ["input/3@100 t=77 of 1 for Zoë"]);
}

#[tokio::test]
async fn records_go_where_the_guest_sends_them() {
    let module = module(&host(), "transform").await;
    let mut guest = Setup::mode("route").of(&module);
    let to = |output: &str, partition: Option<&str>| -> OwnedRecord {
        let mut headers = vec![("output".to_owned(), Some(output.as_bytes().to_vec()))];
        headers.extend(partition.map(|p| ("partition".to_owned(), Some(p.as_bytes().to_vec()))));
        (None, Some(format!("{output}/{partition:?}").into_bytes()), headers)
    };
    let input = [to("1", None), to("0", Some("7")), to("1", None), to("1", Some("0")), to("0", Some("7"))];
    let outputs = guest.transform(&section(&input)).await.unwrap();
    let targets: Vec<_> = outputs.iter().map(|o| (o.output, o.partition, o.record_count)).collect();
    assert_eq!(targets, [(1, None, 2), (0, Some(7), 2), (1, Some(0), 1)]);
}

#[tokio::test]
async fn an_instance_keeps_its_memory_until_it_is_unloaded() {
    let host = host();
    let module = module(&host, "transform").await;
    let mut guest = Setup::mode("count").of(&module);
    assert!(!guest.instance.is_loaded());
    let input = values(["x"]);
    assert_eq!(texts(&guest.transform(&input).await.unwrap()), ["1"]);
    assert_eq!(texts(&guest.transform(&input).await.unwrap()), ["2"]);
    assert_eq!(host.live_instances(), 1);
    guest.instance.unload();
    assert_eq!(host.live_instances(), 0);
    assert_eq!(texts(&guest.transform(&input).await.unwrap()), ["1"]);
}

#[tokio::test]
async fn failures_name_the_record() {
    let module = module(&host(), "transform").await;
    let mut guest = Setup::mode("fail-on").set("bad", "b").of(&module);
    let error = guest.transform(&values(["a", "b", "c"])).await.unwrap_err();
    let expected = CallError::Failed { offset_delta: Some(1), message: "b is bad".into(), retry: false };
    assert_eq!(error, expected);
    assert!(guest.instance.is_loaded());
    assert_eq!(texts(&guest.transform(&values(["a", "c"])).await.unwrap()), ["a", "c"]);

    let error = Setup::mode("fail").of(&module).transform(&values(["a"])).await.unwrap_err();
    assert_eq!(error, CallError::Failed { offset_delta: None, message: "not today".into(), retry: true });
}

#[tokio::test]
async fn calls_made_together_end_with_a_failure_or_with_enough() {
    let module = module(&host(), "transform").await;
    let sections = ["a", "b", "c"].map(|value| values([value])).map(|records| (records.facts, records.bytes));

    let mut guest = Setup::mode("fail-on").set("bad", "b").of(&module);
    let results = guest.instance.transform_each(sections.clone(), usize::MAX).await;
    assert_eq!(results.len(), 2);
    assert_eq!(texts(results[0].as_ref().unwrap()), ["a"]);
    assert!(matches!(results[1], Err(CallError::Failed { offset_delta: Some(0), .. })));

    let mut guest = Setup::mode("count").of(&module);
    assert_eq!(guest.instance.transform_each(sections.clone(), 1).await.len(), 1);
    let results = guest.instance.transform_each(sections, usize::MAX).await;
    let counted: Vec<_> = results.iter().flat_map(|result| texts(result.as_ref().unwrap())).collect();
    assert_eq!(counted, ["2", "3", "4"]);
}

#[tokio::test]
async fn a_batch_of_nothing_is_fine_and_a_wrong_kind_is_not() {
    let host = host();
    let transform = module(&host, "transform").await;
    let none: [&str; 0] = [];
    let outputs = Setup::mode("copy").of(&transform).transform(&values(none)).await.unwrap();
    assert!(outputs.is_empty());
    let error = Setup::mode("copy").of(&transform).sink(&values(["a"])).await.unwrap_err();
    assert_eq!(error, CallError::WrongKind(Kind::Transform));
}

#[tokio::test]
async fn compiled_code_is_found_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = || HostOptions { cache_dir: Some(dir.path().to_owned()), ..HostOptions::default() };
    let timed = async |host| {
        let start = Instant::now();
        let module = module(&host, "transform").await;
        let took = start.elapsed();
        let mut guest = Setup::mode("copy").of(&module);
        assert_eq!(texts(&guest.transform(&values(["a"])).await.unwrap()), ["a"]);
        took
    };
    let compiled = timed(host_with(options())).await;
    let loaded = timed(host_with(options())).await;
    assert!(loaded < compiled / 2, "compiled in {compiled:?}, loaded in {loaded:?}");
}

#[tokio::test]
async fn instances_are_bounded_in_number_and_unloading_makes_room() {
    let host = host_with(HostOptions { max_live_instances: 2, ..HostOptions::default() });
    let module = module(&host, "transform").await;
    let mut guests: Vec<_> = (0..3).map(|_| Setup::mode("copy").of(&module)).collect();
    let input = values(["a"]);
    guests[0].transform(&input).await.unwrap();
    guests[1].transform(&input).await.unwrap();
    assert_eq!(guests[2].transform(&input).await.unwrap_err(), CallError::TooManyInstances(2));
    guests[0].instance.unload();
    guests[2].transform(&input).await.unwrap();
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends() {
    let host = host();
    let module = module(&host, "transform").await;
    let mut guest = Setup::mode("loop").deadline_ms(60_000).of(&module);
    let input = values(["a"]);
    let waited = tokio::time::timeout(Duration::from_millis(200), guest.transform(&input)).await;
    assert!(waited.is_err());
    let start = Instant::now();
    while host.live_instances() > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "the call goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn any_record() -> impl Strategy<Value = OwnedRecord> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let header = ("[a-z]{0,6}", bytes());
    (bytes(), bytes(), proptest::collection::vec(header, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 100, ..ProptestConfig::default() })]

    /// Null and empty, duplicates of headers and their order survive the way through a guest, whether it copies
    /// records or encodes them again.
    #[test]
    fn records_survive_the_guest(records in proptest::collection::vec(any_record(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let module = module(shared_host(), "transform").await;
            let input = section(&records);
            for mode in ["copy", "encode"] {
                let outputs = Setup::mode(mode).of(&module).transform(&input).await.unwrap();
                assert_eq!(outputs.len(), 1);
                assert_eq!(outputs[0].records, input.bytes);
                assert_eq!(read(&outputs[0]), records);
            }
        });
    }

    /// Whatever bytes reach the SDK, the call ends with records or an error.
    #[test]
    fn any_input_is_survived(bytes: Vec<u8>, record_count in 0u32..20) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let module = module(shared_host(), "transform").await;
            let mut input = values(["a"]);
            input.facts.record_count = record_count;
            input.bytes = Bytes::from(bytes);
            match Setup::mode("encode").of(&module).transform(&input).await {
                Ok(_) | Err(CallError::Failed { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }
}

fn shared_host() -> &'static tidemill_functions::Host {
    static HOST: std::sync::OnceLock<tidemill_functions::Host> = std::sync::OnceLock::new();
    HOST.get_or_init(host)
}

#[test]
fn the_defaults_are_bounded() {
    let limits = Limits::default();
    assert!(
        limits.memory_bytes <= 1 << 30 && limits.deadline_ms <= 60_000 && limits.output_bytes <= 64 << 20
    );
}
