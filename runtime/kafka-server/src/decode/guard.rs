//! Walks a request by its shape before it is decoded.

use kafka_protocol::messages::ApiKey;

use super::DecodeError;
use super::shapes::{Field, Kind, Shape, request_shape};

/// Elements of all arrays of a request together, and its tagged fields. A decoded element takes up
/// to some 150 bytes of memory, so this bounds a request to some 40 MB beside its own bytes.
const MAX_ELEMENTS: usize = 1 << 18;

/// Checks the body of a request, after the header. Every length fits, and nothing is left over that
/// the decoder would read as something else.
pub(crate) fn check(api: ApiKey, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    let shape = request_shape(api).ok_or(DecodeError::UnknownApi(api as i16))?;
    let mut walker = Walker { rest: body, elements: MAX_ELEMENTS, version };
    walker.shape(shape)
}

struct Walker<'a> {
    rest: &'a [u8],
    /// Array elements that may still come.
    elements: usize,
    version: i16,
}

impl Walker<'_> {
    fn shape(&mut self, shape: &Shape) -> Result<(), DecodeError> {
        let flexible = self.version >= shape.flexible_since;
        for Field { first, last, kind } in shape.fields {
            if (*first..=*last).contains(&self.version) {
                self.kind(kind, flexible)?;
            }
        }
        if flexible { self.tags(shape) } else { Ok(()) }
    }

    fn kind(&mut self, kind: &Kind, flexible: bool) -> Result<(), DecodeError> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => self.text(flexible),
            Kind::Blob => {
                let length = if flexible { self.compact_length()? } else { self.i32_length()? };
                self.skip(length.unwrap_or(0))
            }
            Kind::Struct(shape) => self.shape(shape),
            Kind::OptionalStruct(shape) => {
                let [present] = self.take::<1>()?;
                if present == 1 { self.shape(shape) } else { Ok(()) }
            }
            Kind::FixedList(size) => {
                let count = self.count(flexible)?;
                let bytes = count.checked_mul(*size).ok_or(DecodeError::BadLength)?;
                self.skip(bytes)
            }
            Kind::TextList => {
                for _ in 0..self.count(flexible)? {
                    self.text(flexible)?;
                }
                Ok(())
            }
            Kind::List(shape) => {
                for _ in 0..self.count(flexible)? {
                    self.shape(shape)?;
                }
                Ok(())
            }
        }
    }

    fn text(&mut self, flexible: bool) -> Result<(), DecodeError> {
        let length = if flexible { self.compact_length()? } else { self.i16_length()? };
        self.skip(length.unwrap_or(0))
    }

    /// The length of an array, which no array of the rest can exceed: elements have a byte at least.
    fn count(&mut self, flexible: bool) -> Result<usize, DecodeError> {
        let count = if flexible { self.compact_length()? } else { self.i32_length()? }.unwrap_or(0);
        if count > self.rest.len() {
            return Err(DecodeError::BadLength);
        }
        self.elements = self.elements.checked_sub(count).ok_or(DecodeError::TooManyElements)?;
        Ok(count)
    }

    fn tags(&mut self, shape: &Shape) -> Result<(), DecodeError> {
        let count = self.varint()?;
        self.elements = self.elements.checked_sub(count).ok_or(DecodeError::TooManyElements)?;
        for _ in 0..count {
            let tag = self.varint()?;
            let size = self.varint()?;
            match shape.tags.iter().find(|(known, _)| usize::try_from(*known) == Ok(tag)) {
                None => self.skip(size)?,
                Some((_, kind)) => {
                    let before = self.rest.len();
                    self.kind(kind, true)?;
                    if before - self.rest.len() != size {
                        return Err(DecodeError::BadLength);
                    }
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.rest = self.rest.get(count..).ok_or(DecodeError::Truncated)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// None for null, which is -1.
    fn i16_length(&mut self) -> Result<Option<usize>, DecodeError> {
        signed_length(i64::from(i16::from_be_bytes(self.take()?)))
    }

    fn i32_length(&mut self) -> Result<Option<usize>, DecodeError> {
        signed_length(i64::from(i32::from_be_bytes(self.take()?)))
    }

    /// None for null, which is 0; other values are one too large.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.varint()?.checked_sub(1))
    }

    /// As the message crate reads it: at most five bytes, surplus bits dropped.
    fn varint(&mut self) -> Result<usize, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        usize::try_from(value).map_err(|_| DecodeError::BadLength)
    }
}

fn signed_length(length: i64) -> Result<Option<usize>, DecodeError> {
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length).map(Some).map_err(|_| DecodeError::BadLength),
    }
}
