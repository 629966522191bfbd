//! HTTP requests, for sinks. The broker lets them through to the hosts that the deployment allows.

use crate::Error;
use std::borrow::Cow;
use std::time::Duration;

/// Sends a POST and waits for the answer. Any answer is a success here; see [`Response::ok`].
///
/// ```no_run
/// # use tidemill_sdk::{http, Batch, Error};
/// # fn deliver(input: Batch<'_>) -> Result<(), Error> {
/// let headers = [("delivery-id", input.delivery_id())];
/// http::post("https://example.com/events", "application/json", b"[]", &headers)?.ok()?;
/// # Ok(())
/// # }
/// ```
pub fn post(url: &str, content_type: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<Response, Error> {
    let mut request = Request::new("POST", url).header("content-type", content_type).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send()
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    body: &'a [u8],
    timeout: Option<Duration>,
}

impl<'a> Request<'a> {
    /// A request without headers and body.
    pub fn new(method: &'a str, url: &'a str) -> Self {
        Request { method, url, headers: Vec::new(), body: &[], timeout: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned().into(), value.to_owned().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// How long to wait for the connection, and then for the answer's first byte. The function's own deadline holds
    /// in any case.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.method
    }

    /// Where to.
    pub fn url(&self) -> &str {
        self.url
    }

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The body.
    pub fn body_bytes(&self) -> &[u8] {
        self.body
    }

    /// Sends it and reads the whole answer. What went wrong on the way is an error to be retried, except a host that
    /// the deployment does not allow and a request that makes no sense.
    pub fn send(&self) -> Result<Response, Error> {
        #[cfg(target_arch = "wasm32")]
        return crate::wasi_http::send(self, self.timeout);
        #[cfg(not(target_arch = "wasm32"))]
        return crate::host::native::send(self);
    }
}

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The answer if its status is 2xx, else an error: one to be retried for 408, 425, 429 and 5xx, which pass by
    /// themselves, and a final one for the rest.
    pub fn ok(self) -> Result<Response, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        let error = Error::new(format!("the receiver answered {}: {text}", self.status));
        match self.status {
            408 | 425 | 429 | 500..=599 => Err(error.retry()),
            _ => Err(error),
        }
    }
}

/// A URL taken apart: whether it is https, `host[:port]`, and the rest.
#[cfg(any(target_arch = "wasm32", test))]
pub(crate) fn split_url(url: &str) -> Result<(bool, &str, Cow<'_, str>), Error> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::new(format!("`{url}` is not a URL")))?;
    let https = match scheme {
        "http" => false,
        "https" => true,
        _ => return Err(Error::new(format!("`{url}` is neither http nor https"))),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err(Error::new(format!("`{url}` names no host")));
    }
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
    Ok((https, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts =
            |url| split_url(url).map(|(https, host, path)| (https, host.to_owned(), path.into_owned()));
        assert_eq!(parts("http://a:81/b?c#d").unwrap(), (false, "a:81".into(), "/b?c".into()));
        assert_eq!(parts("https://a").unwrap(), (true, "a".into(), "/".into()));
        assert_eq!(parts("https://a?b=c").unwrap(), (true, "a".into(), "/?b=c".into()));
        for bad in ["a", "ftp://a", "http:///x"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_say_whether_to_retry() {
        let verdict = |status| Response { status, body: Vec::new() }.ok().map_err(|error| error.is_retry());
        assert!(verdict(204).is_ok());
        assert!(verdict(503).unwrap_err());
        assert!(verdict(429).unwrap_err());
        assert!(!verdict(404).unwrap_err());
        assert!(!verdict(302).unwrap_err());
    }
}
