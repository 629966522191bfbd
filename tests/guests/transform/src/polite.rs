//! What functions do.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering};
use tidemill_sdk::bindings::transform::exports::tidemill::function::batch_transform as interface;
use tidemill_sdk::{config, info, At, Batch, Error, NewRecord, Output};

/// Passes records on as they are.
pub fn copy(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    for record in input {
        out.copy(&record);
    }
    Ok(())
}

/// Passes records on, decoded and encoded again.
pub fn encode(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    for record in input {
        out.push(&NewRecord::from(record));
    }
    Ok(())
}

#[derive(Deserialize, Serialize)]
struct Event<'a> {
    id: u64,
    user: &'a str,
    amount: f64,
}

/// Keeps the records whose amount is above 50, projected.
pub fn json(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    let mut value = Vec::new();
    for record in input {
        let event: Event<'_> = serde_json::from_slice(record.value().unwrap_or_default()).at(&record)?;
        if event.amount > 50.0 {
            value.clear();
            serde_json::to_writer(&mut value, &event)?;
            out.push(&NewRecord::from(record).value(&value));
        }
    }
    Ok(())
}

/// Sends each record to the output and partition that its headers name.
pub fn route(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    for record in input {
        let number = |name: &str| {
            let text = record.headers().get(name).and_then(|value| std::str::from_utf8(value).ok())?;
            text.parse::<i32>().ok()
        };
        let mut target = out.to(number("output").unwrap_or_default() as u32);
        if let Some(partition) = number("partition") {
            target = target.partition(partition);
        }
        target.push(&NewRecord::from(&record).without_headers());
    }
    Ok(())
}

/// Writes how often this instance was called.
pub fn count(_: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    out.push(&NewRecord::new(0).value(&calls.to_string()));
    Ok(())
}

/// Writes what it was told about the batch, and logs it.
pub fn facts(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    for record in input {
        let text = format!(
            "{}/{}@{} t={} of {} for {}",
            input.topic(),
            input.partition(),
            record.offset(),
            record.timestamp(),
            input.len(),
            config("who").unwrap_or_default()
        );
        info!("{text}");
        println!("printed {}", record.offset());
        out.push(&NewRecord::from(record).value(&text));
    }
    Ok(())
}

/// Fails, and asks to be called again.
pub fn fail(_: Batch<'_>, _: &mut Output) -> Result<(), Error> {
    Err(Error::new("not today").retry())
}

/// Fails at the record whose value is the setting `bad`.
pub fn fail_on(input: Batch<'_>, out: &mut Output) -> Result<(), Error> {
    let bad = config("bad").unwrap_or_default();
    for record in input {
        if record.value_str()? == bad {
            return Err(record.error(format!("{bad} is bad")));
        }
        out.copy(&record);
    }
    Ok(())
}

/// Fails before it has begun.
pub fn refuse(error: Error) -> Result<Vec<interface::Output>, interface::Failure> {
    Err(interface::Failure { offset_delta: None, message: error.message().to_owned(), retry: false })
}
