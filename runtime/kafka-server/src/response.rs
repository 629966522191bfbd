//! A response on its way to the socket.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::decode::RequestHead;
use crate::memory::{Memory, ResponseCharge};

/// The message crate could not encode a response: a handler set a field that the version lacks.
#[derive(Debug, thiserror::Error)]
#[error("the response to {api} version {version} cannot be encoded: {reason}")]
pub(crate) struct EncodeError {
    api: String,
    version: i16,
    reason: String,
}

/// A whole response frame in parts, and the memory that it is charged for.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) parts: Vec<Bytes>,
    /// Given back when the response is written or dropped.
    charge: Option<ResponseCharge>,
}

impl Response {
    /// Encodes a response of the message crate.
    pub(crate) fn encode<R: Encodable>(
        head: &RequestHead,
        version: i16,
        response: &R,
    ) -> Result<Response, EncodeError> {
        let failed = |reason: String| EncodeError { api: format!("{:?}", head.api), version, reason };
        let size = response.compute_size(version).map_err(|error| failed(error.to_string()))?;
        let mut out = BytesMut::with_capacity(size + 9);
        out.put_i32(head.correlation_id);
        if head.api.response_header_version(version) >= 1 {
            out.put_u8(0);
        }
        response.encode(&mut out, version).map_err(|error| failed(error.to_string()))?;
        Ok(Response::framed(vec![out.freeze()]))
    }

    /// Puts the length in front.
    pub(crate) fn framed(mut parts: Vec<Bytes>) -> Response {
        let length: usize = parts.iter().map(Bytes::len).sum();
        let prefix = i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
        parts.insert(0, Bytes::copy_from_slice(&prefix));
        Response { parts, charge: None }
    }

    /// The same, charged for as long as it is in memory.
    pub(crate) fn charged(self, memory: &Memory) -> Response {
        let charge = memory.charge_response(self.parts.iter().map(Bytes::len).sum());
        Response { charge, ..self }
    }

    /// Whether it waits for memory to be given back.
    pub(crate) fn is_charged(&self) -> bool {
        self.charge.is_some()
    }
}
