//! The SDK as a function's author sees it, natively.

use proptest::prelude::*;
use tidemill_sdk::testing::{self, TestBatch, WrittenRecord};
use tidemill_sdk::{
    config, config_all, info, require_config, warn, At, Batch, Error, Level, NewRecord, Output,
};

type Headers = Vec<(String, Option<Vec<u8>>)>;
type Owned = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Headers);

fn new_record(record: &Owned) -> NewRecord<'_> {
    let (timestamp, key, value, headers) = record;
    let mut new = NewRecord::new(*timestamp);
    if let Some(key) = key {
        new = new.key(key);
    }
    if let Some(value) = value {
        new = new.value(value);
    }
    headers.iter().fold(new, |new, (name, value)| match value {
        Some(value) => new.header(name, value),
        None => new.null_header(name),
    })
}

fn any_record() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let headers = proptest::collection::vec(("[a-zé]{0,5}", bytes()), 0..5);
    (any::<i32>().prop_map(i64::from), bytes(), bytes(), headers)
}

fn copy(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    input.into_iter().for_each(|record| out.copy(&record));
    Ok(())
}

fn encode(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    input.into_iter().for_each(|record| out.push(&NewRecord::from(record)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_come_out_as_they_went_in(records in proptest::collection::vec(any_record(), 0..80)) {
        let batch = records.iter().fold(TestBatch::new("t"), |batch, record| batch.record(&new_record(record)));
        for function in [copy, encode] {
            let written = batch.transform(function).unwrap();
            let written: Vec<Owned> = written
                .to(0)
                .into_iter()
                .map(|r: &WrittenRecord| (r.timestamp, r.key.clone(), r.value.clone(), r.headers.clone()))
                .collect();
            prop_assert_eq!(&written, &records);
        }
    }

    #[test]
    fn offsets_and_times_are_those_of_the_batch(count in 1usize..300, base_offset: u32, appended: Option<u32>) {
        let mut batch = TestBatch::new("t").partition(4).base_offset(i64::from(base_offset));
        for n in 0..count {
            batch = batch.record(&NewRecord::new(n as i64));
        }
        if let Some(time) = appended {
            batch = batch.log_append_time(i64::from(time));
        }
        let written = batch.transform(|input, out| {
            assert_eq!((input.topic(), input.partition()), ("t", 4));
            for record in input {
                out.push(&NewRecord::new(record.timestamp()).value(&record.offset().to_string()));
            }
            Ok(())
        }).unwrap();
        for (n, record) in written.to(0).into_iter().enumerate() {
            prop_assert_eq!(record.value_text(), (i64::from(base_offset) + n as i64).to_string());
            prop_assert_eq!(record.timestamp, appended.map_or(n as i64, i64::from));
        }
    }
}

#[test]
fn records_can_be_changed_and_sent_anywhere() {
    let written = TestBatch::new("t")
        .record(&NewRecord::new(5).key("k").value("v").header("a", "1").header("a", "2"))
        .transform(|input, out| {
            for record in input {
                assert_eq!(record.headers().get("a"), Some(b"2".as_slice()));
                assert_eq!(record.headers().get("b"), None);
                assert_eq!(record.headers().len(), 2);
                out.push(&NewRecord::from(record).value("w").header("b", "3").timestamp(6));
                out.to(1)
                    .partition(9)
                    .push(&NewRecord::from(record).null_key().null_value().without_headers());
                out.to(1).copy(&record);
                out.to(1).partition(9).copy(&record);
            }
            Ok(())
        })
        .unwrap();
    let first = written.to(0)[0];
    assert_eq!((first.timestamp, first.value_text().as_str()), (6, "w"));
    let names: Vec<_> = first.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "a", "b"]);
    let others: Vec<_> = written.to(1).into_iter().map(|r| (r.partition, r.value_text())).collect();
    assert_eq!(others, [(Some(9), "<null>".to_owned()), (Some(9), "v".to_owned()), (None, "v".to_owned())]);
}

#[test]
fn errors_name_records_and_keep_the_first_name() {
    let fail = |function| TestBatch::new("t").value("1").value("x").transform(function).unwrap_err();
    let error = fail(|input, _| {
        for record in input {
            record.value_str()?.parse::<i32>().at(&record)?;
        }
        Ok(())
    });
    assert_eq!((error.offset_delta(), error.is_retry()), (Some(1), false));
    assert!(error.message().contains("invalid digit"), "{error}");
    let error = fail(|input, _| {
        let mut records = input.records();
        let first = records.next().unwrap();
        let second = records.next().unwrap();
        Err(first.error("late").retry()).at(&second)
    });
    assert_eq!((error.offset_delta(), error.is_retry()), (Some(0), true));
    assert_eq!(fail(|_, _| Err(Error::new("all of it"))).offset_delta(), None);
}

#[test]
fn config_and_logs_are_the_thread_s_own() {
    testing::set_config([("b", "2"), ("a", "1")]);
    let written = TestBatch::new("t").value("x").transform(|_, out| {
        info!("config {}", config_all().len());
        warn!("careful");
        out.push(&NewRecord::new(0).value(&require_config("b")?));
        out.push(&NewRecord::new(0).value(&config("c").unwrap_or_default()));
        Ok(())
    });
    assert_eq!(written.unwrap().values(), ["2", ""]);
    let logs = testing::take_logs();
    assert_eq!(logs, [(Level::Info, "config 2".to_owned()), (Level::Warn, "careful".to_owned())]);
    assert!(require_config("c").unwrap_err().message().contains("--set c="));
}

#[test]
fn requests_without_a_receiver_say_so() {
    let error = TestBatch::new("t")
        .value("x")
        .sink(|_| tidemill_sdk::http::post("http://nowhere.test/", "text/plain", b"", &[])?.ok().map(drop));
    assert!(error.unwrap_err().message().contains("testing::respond"));
}
