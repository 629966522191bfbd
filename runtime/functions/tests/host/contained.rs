//! Hostile guests: each ends with the right error, and another function goes on meanwhile.

use crate::guests::{Guest, Setup, host, module, texts, values};
use std::time::{Duration, Instant};
use tidemill_functions::{CallError, Host, MAX_LINE_BYTES, Module};

/// Runs a hostile function beside a polite one. Returns the hostile one's error.
async fn contain(setup: Setup) -> (CallError, Guest) {
    let host = host();
    let module = module(&host, "transform").await;
    contain_in(&host, &module, setup).await
}

async fn contain_in(host: &Host, module: &Module, setup: Setup) -> (CallError, Guest) {
    let mut hostile = setup.of(module);
    let mut polite = Setup::mode("copy").of(module);
    let input = values(["1", "2"]);
    polite.transform(&input).await.unwrap();
    // More hostile calls than there are workers.
    let mut others: Vec<_> = Vec::new();
    for _ in 0..3 {
        let mut other = Setup::mode("loop").deadline_ms(600).of(module);
        let input = input.clone();
        others.push(tokio::spawn(async move { other.transform(&input).await }));
    }
    let under_attack = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let start = Instant::now();
            assert_eq!(texts(&polite.transform(&input).await.unwrap()), ["1", "2"]);
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let (result, slowest) = tokio::join!(hostile.transform(&input), under_attack);
    assert!(slowest < Duration::from_secs(2), "the polite function waited {slowest:?}");
    for other in others {
        assert_eq!(other.await.unwrap().unwrap_err(), CallError::DeadlineExceeded { deadline_ms: 600 });
    }
    let error = result.unwrap_err();
    assert!(!hostile.instance.is_loaded() || matches!(error, CallError::Failed { .. }));
    drop(polite);
    hostile.instance.unload();
    assert_eq!(host.live_instances(), 0);
    (error, hostile)
}

fn trap_message(error: CallError) -> String {
    match error {
        CallError::Trap(message) => message,
        other => panic!("no trap but {other:?}"),
    }
}

#[tokio::test]
async fn computing_for_ever() {
    let (error, _) = contain(Setup::mode("loop").deadline_ms(300)).await;
    assert_eq!(error, CallError::DeadlineExceeded { deadline_ms: 300 });
}

#[tokio::test]
async fn waiting_for_ever() {
    let start = Instant::now();
    let (error, _) = contain(Setup::mode("sleep").deadline_ms(300)).await;
    assert_eq!(error, CallError::DeadlineExceeded { deadline_ms: 300 });
    assert!(start.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn panics_say_where_and_why() {
    let (error, guest) = contain(Setup::mode("panic")).await;
    let message = trap_message(error);
    assert!(message.contains("out of cheese") && message.contains("src/lib.rs"), "{message}");
    assert!(message.contains("wasm backtrace"), "{message}");
    assert!(guest.logged().iter().any(|line| line.contains("out of cheese")));
}

#[tokio::test]
async fn traps() {
    let (error, _) = contain(Setup::mode("trap")).await;
    assert!(trap_message(error).contains("unreachable"));
}

#[tokio::test]
async fn recursing_without_end() {
    let (error, _) = contain(Setup::mode("overflow")).await;
    let message = trap_message(error);
    assert!(message.contains("call stack exhausted") || message.contains("out of bounds"), "{message}");
}

#[tokio::test]
async fn allocating_without_end() {
    let (error, _) = contain(Setup::mode("allocate").memory_bytes(32 << 20)).await;
    assert_eq!(error, CallError::MemoryLimit { limit_bytes: 32 << 20 });
}

#[tokio::test]
async fn an_instance_that_does_not_fit_at_all() {
    let (error, _) = contain(Setup::mode("copy").memory_bytes(64 << 10)).await;
    assert_eq!(error, CallError::MemoryLimit { limit_bytes: 64 << 10 });
}

#[tokio::test]
async fn hoarding_resources_of_the_host() {
    let (error, _) = contain(Setup::mode("resources")).await;
    trap_message(error);
}

#[tokio::test]
async fn asking_for_a_terabyte_of_random_bytes() {
    let (error, _) = contain(Setup::mode("random")).await;
    trap_message(error);
}

#[tokio::test]
async fn returning_500_mb_is_refused_before_it_is_copied() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let host = host();
    let module = module(&host, "transform").await;
    let mut guest = Setup::mode("return-much").memory_bytes(1 << 30).deadline_ms(30_000).of(&module);
    let before = peak();
    let error = guest.transform(&values(["a"])).await.unwrap_err();
    assert_eq!(error, CallError::OutputTooLarge { limit_bytes: 1 << 20 });
    // The guest's own memory is within its limit; a copy would take as much again.
    assert!(peak() - before < 800, "{} MB before, {} MB after", before, peak());
    let (error, _) = contain(Setup::mode("return-much").memory_bytes(1 << 30).deadline_ms(30_000)).await;
    assert_eq!(error, CallError::OutputTooLarge { limit_bytes: 1 << 20 });
}

#[tokio::test]
async fn returning_many_nothings() {
    let (error, _) = contain(Setup::mode("return-many").memory_bytes(2 << 30).deadline_ms(20_000)).await;
    assert_eq!(error, CallError::OutputTooLarge { limit_bytes: 1 << 20 });
}

#[tokio::test]
async fn returning_a_little_more_than_allowed() {
    let (error, _) = contain(Setup::mode("copy").output_bytes(10)).await;
    assert_eq!(error, CallError::OutputTooLarge { limit_bytes: 10 });
}

#[tokio::test]
async fn returning_garbage() {
    let garbage = |error| match error {
        CallError::GarbageOutput(why) => why,
        other => panic!("no garbage but {other:?}"),
    };
    let (error, _) = contain(Setup::mode("return-garbage")).await;
    garbage(error);
    let (error, _) = contain(Setup::mode("return-miscount")).await;
    assert_eq!(garbage(error), "output 0: it says 1000000 records and holds 2");

    let host = host();
    let module = module(&host, "transform").await;
    let mut gaps = values(["a", "b", "c"]);
    // Leaves the first record out: offset deltas 1 and 2 remain.
    let first = gaps.bytes.len() / 3;
    gaps.bytes = gaps.bytes.slice(first..);
    let error = Setup::mode("return-gaps").of(&module).transform(&gaps).await.unwrap_err();
    assert!(garbage(error).contains("0, 1, 2"));
}

#[tokio::test]
async fn an_error_message_without_end() {
    let host = host();
    let module = module(&host, "transform").await;
    let mut guest = Setup::mode("return-long-message").output_bytes(32 << 20).of(&module);
    match guest.transform(&values(["a"])).await.unwrap_err() {
        CallError::Failed { message, .. } => assert!(message.len() <= 8 * 1024),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn logging_without_end() {
    let host = host();
    let module = module(&host, "transform").await;
    for mode in ["log-flood", "print-flood"] {
        let mut guest = Setup::mode(mode).deadline_ms(20_000).of(&module);
        guest.transform(&values(["a"])).await.unwrap();
        let logged = guest.logged();
        assert!(!logged.is_empty() && logged.len() < 2_000, "{mode}: {} lines", logged.len());
        assert!(logged.iter().all(|line| line.len() < MAX_LINE_BYTES + 100), "{mode}");
    }
}

#[tokio::test]
async fn there_is_no_ambient_authority() {
    let module = module(&host(), "transform").await;
    let outputs = Setup::mode("powers").of(&module).transform(&values(["a"])).await.unwrap();
    assert_eq!(texts(&outputs), Vec::<String>::new());
}
