//! The request header: what comes before the body of every request.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use super::DecodeError;

/// The header of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RequestHead {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: StrBytes,
}

impl RequestHead {
    /// Takes the header off a frame; what remains in it is the body.
    pub(crate) fn parse(frame: &mut Bytes) -> Result<RequestHead, DecodeError> {
        let key = frame.try_get_i16().map_err(|_| DecodeError::Truncated)?;
        let version = frame.try_get_i16().map_err(|_| DecodeError::Truncated)?;
        let correlation_id = frame.try_get_i32().map_err(|_| DecodeError::Truncated)?;
        let api = ApiKey::try_from(key).map_err(|()| DecodeError::UnknownApi(key))?;
        let client_id = client_id(frame)?;
        if api.request_header_version(version) >= 2 {
            skip_tags(frame)?;
        }
        Ok(RequestHead { api, version, correlation_id, client_id })
    }
}

fn client_id(frame: &mut Bytes) -> Result<StrBytes, DecodeError> {
    let length = frame.try_get_i16().map_err(|_| DecodeError::Truncated)?;
    if length == -1 {
        return Ok(StrBytes::new());
    }
    let length = usize::try_from(length).map_err(|_| DecodeError::BadLength)?;
    StrBytes::from_utf8(take(frame, length)?).map_err(|_| DecodeError::NotUtf8)
}

fn skip_tags(frame: &mut Bytes) -> Result<(), DecodeError> {
    for _ in 0..varint(frame)? {
        varint(frame)?;
        let size = usize::try_from(varint(frame)?).map_err(|_| DecodeError::BadLength)?;
        take(frame, size)?;
    }
    Ok(())
}

fn take(frame: &mut Bytes, length: usize) -> Result<Bytes, DecodeError> {
    if length > frame.len() {
        return Err(DecodeError::Truncated);
    }
    Ok(frame.split_to(length))
}

fn varint(frame: &mut Bytes) -> Result<u32, DecodeError> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = frame.try_get_u8().map_err(|_| DecodeError::Truncated)?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::BadLength)
}
