//! From the bytes of a frame to a request, without trusting any of them.
//!
//! The message crate decodes safely but for one thing: it reserves memory for as many array elements
//! as the array claims to have, up to 2^32, before it has seen the first. So every request is walked
//! first, by its shape, without allocating anything: lengths must fit the bytes that are there, and
//! all arrays together may not have more elements than a budget. What then goes into the decoder
//! cannot make it allocate more than a small multiple of the frame.
//!
//! Strings and record batches of a decoded request are views of the frame's buffer.

mod guard;
mod header;
mod shapes;
#[cfg(test)]
mod tests;

pub(crate) use guard::check;
pub(crate) use header::RequestHead;

/// Why a frame is no request. The connection is closed, as Kafka does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends before what it announces.
    #[error("the request ends too early")]
    Truncated,
    /// A length that makes no sense.
    #[error("a length in the request makes no sense")]
    BadLength,
    /// Too many array elements or tagged fields.
    #[error("the request has too many elements")]
    TooManyElements,
    /// The client id or another string is not UTF-8.
    #[error("a string in the request is not UTF-8")]
    NotUtf8,
    /// The API is not known or not served.
    #[error("API key {0} is not served")]
    UnknownApi(i16),
    /// The version is not served.
    #[error("version {version} of {api} is not served")]
    UnsupportedVersion {
        /// The API's name.
        api: &'static str,
        /// What the client asked for.
        version: i16,
    },
    /// What the message crate says.
    #[error("the request does not decode: {0}")]
    Message(String),
}
