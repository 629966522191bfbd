//! What is written down is what is read again.

use tidemill_checker::Report;
use tidemill_checker::history::{
    Answer, Call, Delivery, Isolation, Outcome, Partition, Record, Recorder, Watermarks, read, read_from,
};

fn partition() -> Partition {
    Partition("orders".into(), 2)
}

#[test]
fn a_history_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let recorder = Recorder::create(&path).unwrap();
    let (client, other) = (recorder.process("client"), recorder.process("client"));
    assert_ne!(client.name(), other.name());
    let send = Call::Send { transaction: Some(3), partition: partition(), value: 7, copy_of: Some(1) };
    let sending = client.invoke(send.clone());
    let polling = other.invoke(Call::Poll { isolation: Isolation::Committed });
    sending.ok(Answer::Delivered(Delivery { offset: Some(12) }));
    let found = vec![(partition(), vec![Record { offset: 12, value: 7, digest: 9 }])];
    polling.ok(Answer::Records(found.clone()));
    client.invoke(Call::Commit { transaction: 3 }).failed("fenced");
    client.invoke(Call::Abort { transaction: 3 }).unknown("no answer");
    let ends = Watermarks { high_watermark: 13, last_stable_offset: 12 };
    client.invoke(Call::Watermarks { partition: partition() }).ok(Answer::Watermarks(ends));
    let fetch = client.invoke(Call::FetchOffsets { group: "group".into() });
    fetch.ok(Answer::Positions(vec![(partition(), 5)]));
    client.invoke(Call::Verify { topic: "orders".into() }).ok(Answer::Problems(vec!["short".into()]));
    client.note(Call::Nemesis("killed".into()));
    drop(client.invoke(Call::Seek { partition: partition(), offset: 0 }));
    recorder.finish().unwrap();

    let operations = read(&path).unwrap();
    let sent = &operations[0];
    assert_eq!((&sent.call, sent.invoked, sent.completed), (&send, 0, Some(2)));
    assert_eq!(sent.outcome, Outcome::Ok(Answer::Delivered(Delivery { offset: Some(12) })));
    assert_eq!(operations[1].answer(), Some(&Answer::Records(found)));
    assert!(operations[2].failed());
    assert_eq!(operations[3].outcome, Outcome::Unknown("no answer".into()));
    assert_eq!(operations[4].answer(), Some(&Answer::Watermarks(ends)));
    let unanswered = operations.last().unwrap();
    assert_eq!((unanswered.completed, unanswered.is_ok(), unanswered.failed()), (None, false, false));
}

#[test]
fn a_file_that_is_no_history_is_refused() {
    let invoked = r#"{"at_us":1,"process":"a.0","op":0,"invoked":{"nemesis":"killed"}}"#;
    let completed = r#"{"at_us":2,"process":"a.0","op":0,"completed":{"ok":"done"}}"#;
    let lines = |lines: &[&str]| read_from(lines.join("\n").as_bytes());
    assert_eq!(lines(&[invoked, completed]).unwrap().len(), 1);
    assert!(lines(&[completed]).is_err(), "an answer without a question");
    assert!(lines(&[invoked, invoked]).is_err(), "asked twice");
    assert!(lines(&[invoked, completed, completed]).is_err(), "answered twice");
    assert!(lines(&["{}"]).is_err());
}

#[test]
fn a_report_counts_outcomes() {
    let lines = [
        r#"{"at_us":1,"process":"a.0","op":0,"invoked":{"commit":{"transaction":1}}}"#,
        r#"{"at_us":2,"process":"a.0","op":0,"completed":{"ok":"done"}}"#,
        r#"{"at_us":3,"process":"a.0","op":1,"invoked":{"commit":{"transaction":2}}}"#,
        r#"{"at_us":4,"process":"a.0","op":1,"completed":{"failed":"fenced"}}"#,
        r#"{"at_us":5,"process":"a.0","op":2,"invoked":{"commit":{"transaction":3}}}"#,
    ];
    let operations = read_from(lines.join("\n").as_bytes()).unwrap();
    let counts = Report::of(&operations).counts("commit");
    assert_eq!((counts.ok, counts.failed, counts.unknown), (1, 1, 1));
}
