//! A sink that sends requests the way its setting `mode` says, to the setting `url`.

use std::time::Duration;
use tidemill_sdk::http::{self, Request};
use tidemill_sdk::{config, info, require_config, Batch, Error};

/// The sink.
#[tidemill_sdk::sink]
fn sink(input: Batch<'_>) -> Result<(), Error> {
    let url = require_config("url")?;
    match config("mode").as_deref().unwrap_or("post") {
        "post" => post(&input, &url),
        "patient" => patient(&url),
        "brief" => brief(&url),
        "large" => large(&url),
        "follow" => follow(&url),
        other => Err(Error::new(format!("no mode {other}"))),
    }
}

/// Sends the values, a line each.
fn post(input: &Batch<'_>, url: &str) -> Result<(), Error> {
    let mut body = Vec::new();
    for record in *input {
        body.extend_from_slice(record.value().unwrap_or_default());
        body.push(b'\n');
    }
    let answer = http::post(url, "text/plain", &body, &[("delivery-id", input.delivery_id())])?.ok()?;
    info!("answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(())
}

/// Waits as long as it may.
fn patient(url: &str) -> Result<(), Error> {
    Request::new("GET", url).send()?.ok().map(drop)
}

/// Does not wait for long.
fn brief(url: &str) -> Result<(), Error> {
    Request::new("GET", url).timeout(Duration::from_millis(50)).send()?.ok().map(drop)
}

/// Sends 5 MB, more than the host takes at a time.
fn large(url: &str) -> Result<(), Error> {
    http::post(url, "application/octet-stream", &vec![b'z'; 5_000_000], &[])?.ok().map(drop)
}

/// Goes where the answer's body says.
fn follow(url: &str) -> Result<(), Error> {
    let answer = Request::new("GET", url).send()?;
    let next = String::from_utf8_lossy(&answer.body).into_owned();
    Request::new("GET", &next).send()?.ok().map(drop)
}
