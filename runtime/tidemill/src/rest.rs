//! Calls of the broker's REST API.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidemill_http_server::api::ErrorBody;

/// A client of one broker's REST API.
pub struct Rest {
    http: reqwest::Client,
    base: String,
}

impl Rest {
    /// A client for `host:port` or a whole `http://` URL.
    pub fn new(http_addr: &str) -> anyhow::Result<Self> {
        let base = if http_addr.contains("://") {
            http_addr.trim_end_matches('/').to_owned()
        } else {
            format!("http://{http_addr}")
        };
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .context("the HTTP client did not start")?;
        Ok(Self { http, base })
    }

    /// `GET`
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.request(Method::GET, path)?.query(query)).await
    }

    /// A call with a JSON body.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(method, path)?.json(body)).await
    }

    /// A `POST` whose arguments are in the query.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::POST, path)?.query(query)).await
    }

    /// A `POST` of raw bytes.
    pub async fn upload<T: DeserializeOwned>(&self, path: &[&str], bytes: Vec<u8>) -> anyhow::Result<T> {
        let request = self.request(Method::POST, path)?.header("content-type", "application/wasm");
        self.answer(request.body(bytes)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        let _: serde_json::Value = self.answer(self.request(Method::DELETE, path)?).await?;
        Ok(())
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        let mut url = reqwest::Url::parse(&self.base)
            .with_context(|| format!("{} is not the address of an HTTP server", self.base))?;
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push("v1").extend(path);
            }
            Err(()) => bail!("{} is not the address of an HTTP server", self.base),
        }
        Ok(self.http.request(method, url))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = request.send().await.with_context(|| {
            format!("no answer from {} (is `tidemill serve` running there? see --http-addr)", self.base)
        })?;
        let status = response.status();
        let body = response.bytes().await.context("the answer broke off")?;
        if !status.is_success() {
            match serde_json::from_slice::<ErrorBody>(&body) {
                Ok(error) => bail!("{} ({})", error.message, error.error),
                Err(_) => bail!("{status}: {}", String::from_utf8_lossy(&body)),
            }
        }
        // Calls without a result answer with an empty body.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).context("the answer is not what this version of the command expects")
    }
}
