//! A sink's way out: HTTP requests to the hosts that its deployment allows, within its deadline, bounded in number and
//! in what comes back. Redirects are not followed; a guest that follows one makes a request of its own, checked again.

use crate::allow_list::AllowList;
use crate::guest_log::GuestLog;
use crate::log::LogLevel;
use crate::meter::Meter;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Response, Uri};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

/// Requests under way at a time, until their answers are read or dropped.
const MAX_REQUESTS: usize = 16;
/// Longest answer that is passed to a guest.
const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// A future of how the connection ends.
type Connection = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Answer = Result<(Response<WasiBody>, Connection), HttpError>;

/// Sends requests for one instance.
pub(crate) struct Outbound {
    allowed: Arc<AllowList>,
    meter: Arc<Meter>,
    log: Arc<GuestLog>,
    slots: Arc<Semaphore>,
}

impl Outbound {
    pub(crate) fn new(allowed: Arc<AllowList>, meter: Arc<Meter>, log: Arc<GuestLog>) -> Self {
        Outbound { allowed, meter, log, slots: Arc::new(Semaphore::new(MAX_REQUESTS)) }
    }

    fn check(&self, method: &Method, uri: &Uri) -> Result<OwnedSemaphorePermit, HttpError> {
        let authority = uri.authority().ok_or(HttpError::HttpRequestUriInvalid)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(HttpError::HttpRequestUriInvalid);
        }
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let allowed = self.allowed.allows(https, authority.host(), authority.port_u16());
        if !allowed || *method == Method::CONNECT {
            let message = format!("a request to {authority} was refused: the deployment does not allow it");
            self.log.write(LogLevel::Warn, &message);
            return Err(HttpError::HttpRequestDenied);
        }
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| HttpError::ConnectionLimitReached)
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_processed: Connection,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let slot = match self.check(request.method(), request.uri()) {
            Ok(slot) => slot,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let left = self.meter.left();
        let options = options.unwrap_or_default();
        let within = |asked: Option<Duration>| Some(asked.map_or(left, |asked| asked.min(left)));
        let options = RequestOptions {
            connect_timeout: within(options.connect_timeout),
            first_byte_timeout: within(options.first_byte_timeout),
            between_bytes_timeout: within(options.between_bytes_timeout),
        };
        Box::new(async move {
            // The TLS handshake has no limit of its own.
            let sending = tokio::time::timeout(left, default_send_request(request, Some(options)));
            let (response, connection) = sending.await.map_err(|_| HttpError::HttpResponseTimeout)??;
            let response = response.map(|body| bounded(body, slot));
            Ok((response, Box::new(connection) as Connection))
        })
    }
}

fn bounded<B>(body: B, slot: OwnedSemaphorePermit) -> WasiBody
where
    B: Body<Data = Bytes, Error = HttpError> + Send + 'static,
{
    Bounded { inner: Box::pin(body), left: MAX_RESPONSE_BYTES, _slot: slot }.boxed_unsync()
}

/// An answer's body that fails when it gets too long.
struct Bounded<B> {
    inner: Pin<Box<B>>,
    left: u64,
    _slot: OwnedSemaphorePermit,
}

impl<B: Body<Data = Bytes, Error = HttpError>> Body for Bounded<B> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let Some(frame) = ready!(self.inner.as_mut().poll_frame(cx)?) else {
            return Poll::Ready(None);
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(HttpError::HttpResponseBodySize(Some(MAX_RESPONSE_BYTES))),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
