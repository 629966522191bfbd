//! One TCP connection, shared by any number of callers, with requests pipelined.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, oneshot};

use crate::Error;

/// Largest answer accepted. A fetch answers at most what was asked for plus one batch.
const MAX_RESPONSE_BYTES: usize = 256 << 20;

type Waiting = std::sync::Mutex<Option<VecDeque<oneshot::Sender<Bytes>>>>;

struct Shared {
    address: String,
    client_id: StrBytes,
    writer: Mutex<OwnedWriteHalf>,
    /// Calls not yet answered, oldest first; none once the connection is closed.
    waiting: Arc<Waiting>,
    next_correlation_id: AtomicI32,
    versions: HashMap<i16, VersionRange>,
}

/// A connection to one broker. Clones share it.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// An answer that has not come yet.
pub struct Pending<R: Request> {
    receiver: oneshot::Receiver<Bytes>,
    address: String,
    version: i16,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects and asks the broker which API versions it has.
    ///
    /// # Errors
    /// [`Error::Io`] where nothing answers at `address`, or what does is not a Kafka broker.
    pub async fn connect(address: &str, client_id: &str) -> Result<Self, Error> {
        let io_error = |source| Error::Io { address: address.to_owned(), source };
        let stream = TcpStream::connect(address).await.map_err(io_error)?;
        stream.set_nodelay(true).map_err(io_error)?;
        let (reader, writer) = stream.into_split();
        let waiting: Arc<Waiting> = Arc::new(std::sync::Mutex::new(Some(VecDeque::new())));
        tokio::spawn(read_responses(reader, Arc::clone(&waiting)));
        let shared = Shared {
            address: address.to_owned(),
            client_id: StrBytes::from_string(client_id.to_owned()),
            writer: Mutex::new(writer),
            waiting,
            next_correlation_id: AtomicI32::new(0),
            versions: HashMap::new(),
        };
        let unversioned = Self { shared: Arc::new(shared) };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("tidemill"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = unversioned.send_versioned(&request, 3).await?.answer().await?;
        let versions = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        let mut shared =
            Arc::into_inner(unversioned.shared).ok_or_else(|| Error::Closed(address.to_owned()))?;
        shared.versions = versions;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The broker's address.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// The highest version of `R` that the broker, the message definitions and `at_most` allow.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is none.
    pub fn version<R: Request>(&self, at_most: i16) -> Result<i16, Error> {
        let api = std::any::type_name::<R>();
        let offered = self.shared.versions.get(&R::KEY).ok_or(Error::Unsupported { api })?;
        let version = offered.max.min(R::VERSIONS.max).min(at_most);
        if version < offered.min.max(R::VERSIONS.min) {
            return Err(Error::Unsupported { api });
        }
        Ok(version)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// See [`Error`]; error codes inside the answer are the caller's to read.
    pub async fn call<R: Request>(&self, request: &R, at_most: i16) -> Result<R::Response, Error> {
        self.send(request, at_most).await?.answer().await
    }

    /// Sends a request; the answer can be awaited later, so that several are on their way at once.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn send<R: Request>(&self, request: &R, at_most: i16) -> Result<Pending<R>, Error> {
        let version = self.version::<R>(at_most)?;
        self.send_versioned(request, version).await
    }

    async fn send_versioned<R: Request>(&self, request: &R, version: i16) -> Result<Pending<R>, Error> {
        let (sender, receiver) = oneshot::channel();
        // The queue and the socket must see requests in the same order, so both change under the writer's lock.
        let mut writer = self.shared.writer.lock().await;
        let correlation_id = self.shared.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode(request, version, correlation_id, &self.shared.client_id)?;
        let closed = || Error::Closed(self.shared.address.clone());
        {
            let mut waiting = self.shared.waiting.lock().map_err(|_| closed())?;
            waiting.as_mut().ok_or_else(closed)?.push_back(sender);
        }
        let io_error = |source| Error::Io { address: self.shared.address.clone(), source };
        writer.write_all(&frame).await.map_err(io_error)?;
        Ok(Pending { receiver, address: self.shared.address.clone(), version, request: PhantomData })
    }
}

impl<R: Request> Pending<R> {
    /// Waits for the answer and decodes it.
    ///
    /// # Errors
    /// [`Error::Closed`] if the connection ended first, [`Error::Malformed`] if it makes no sense.
    pub async fn answer(self) -> Result<R::Response, Error> {
        let mut bytes = self.receiver.await.map_err(|_| Error::Closed(self.address))?;
        let malformed = |reason: String| Error::Malformed { api: std::any::type_name::<R>(), reason };
        // ApiVersions answers always carry header version 0 (KIP-511).
        let header_version = R::Response::header_version(self.version);
        ResponseHeader::decode(&mut bytes, header_version).map_err(|error| malformed(error.to_string()))?;
        R::Response::decode(&mut bytes, self.version).map_err(|error| malformed(error.to_string()))
    }
}

fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
) -> Result<BytesMut, Error> {
    let malformed = |reason: String| Error::Malformed {
        api: std::any::type_name::<R>(),
        reason: format!("request: {reason}"),
    };
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()));
    let header_version = R::header_version(version);
    let header_bytes = header.compute_size(header_version).map_err(|error| malformed(error.to_string()))?;
    let body_bytes = request.compute_size(version).map_err(|error| malformed(error.to_string()))?;
    let total = header_bytes + body_bytes;
    let mut frame = BytesMut::with_capacity(4 + total);
    frame.put_i32(i32::try_from(total).map_err(|error| malformed(error.to_string()))?);
    header.encode(&mut frame, header_version).map_err(|error| malformed(error.to_string()))?;
    request.encode(&mut frame, version).map_err(|error| malformed(error.to_string()))?;
    Ok(frame)
}

/// Hands each frame to the oldest waiting call; at the end drops them all, which tells the callers.
async fn read_responses(mut reader: OwnedReadHalf, waiting: Arc<Waiting>) {
    while let Ok(frame) = read_frame(&mut reader).await {
        let next = match waiting.lock() {
            Ok(mut waiting) => waiting.as_mut().and_then(VecDeque::pop_front),
            Err(_) => None,
        };
        match next {
            // A caller that gave up is no reason to stop.
            Some(sender) => drop(sender.send(frame)),
            None => break,
        }
    }
    if let Ok(mut waiting) = waiting.lock() {
        *waiting = None;
    }
}

async fn read_frame(reader: &mut OwnedReadHalf) -> io::Result<Bytes> {
    let mut length = [0_u8; 4];
    reader.read_exact(&mut length).await?;
    let length = usize::try_from((&length[..]).get_i32()).unwrap_or(usize::MAX);
    if length > MAX_RESPONSE_BYTES {
        return Err(io::Error::other("answer too large"));
    }
    let mut frame = BytesMut::with_capacity(length).limit(length);
    while frame.has_remaining_mut() {
        if reader.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.into_inner().freeze())
}
