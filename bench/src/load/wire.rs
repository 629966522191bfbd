//! A blocking connection with as little between the load and the socket as there can be: frames are
//! encoded before the measurement, and sending one is one system call.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Where the correlation id is in a frame: behind the length, the API and its version.
const CORRELATION_ID: std::ops::Range<usize> = 8..12;
const MAX_RESPONSE_BYTES: usize = 256 << 20;
const TIMEOUT: Duration = Duration::from_secs(120);

/// A request as it is sent.
#[derive(Clone)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Encodes a request.
    pub fn new<R: Request>(request: &R, version: i16) -> anyhow::Result<Frame> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("bench")));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version))?;
        request.encode(&mut frame, version)?;
        let length = i32::try_from(frame.len() - 4)?;
        let mut frame = frame.to_vec();
        frame.splice(0..4, length.to_be_bytes());
        Ok(Frame(frame))
    }

    /// The request's own number.
    fn number(&mut self, correlation_id: i32) -> anyhow::Result<()> {
        let place = self.0.get_mut(CORRELATION_ID).context("a short frame")?;
        place.copy_from_slice(&correlation_id.to_be_bytes());
        Ok(())
    }
}

/// A connection.
pub struct Wire {
    stream: TcpStream,
    sent: i32,
    received: i32,
}

impl Wire {
    /// Connects.
    pub fn connect(addr: &str) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Wire { stream, sent: 0, received: 0 })
    }

    /// The same connection for another thread, one of which sends and the other receives.
    pub fn split(&self) -> anyhow::Result<Wire> {
        Ok(Wire { stream: self.stream.try_clone()?, sent: self.sent, received: self.received })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> anyhow::Result<R::Response> {
        self.send(&mut Frame::new(request, version)?)?;
        self.receive::<R>(version)
    }

    /// Sends a request.
    pub fn send(&mut self, frame: &mut Frame) -> anyhow::Result<()> {
        frame.number(self.sent)?;
        self.sent = self.sent.wrapping_add(1);
        Ok(self.stream.write_all(&frame.0)?)
    }

    /// Receives the answer to the oldest request that has none.
    pub fn receive<R: Request>(&mut self, version: i16) -> anyhow::Result<R::Response> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= MAX_RESPONSE_BYTES, "an answer of {length} bytes");
        let mut bytes = Vec::with_capacity(length);
        (&mut self.stream).take(length as u64).read_to_end(&mut bytes)?;
        ensure!(bytes.len() == length, "the connection ended within an answer");
        let mut bytes = Bytes::from(bytes);
        let header = ResponseHeader::decode(&mut bytes, R::Response::header_version(version))?;
        ensure!(header.correlation_id == self.received, "answers are out of order");
        self.received = self.received.wrapping_add(1);
        R::Response::decode(&mut bytes, version)
    }
}
