//! Errors that say which record they are about.

use crate::record::Record;
use std::fmt;

/// Why a call failed. Nothing of a failed call counts: its outputs are dropped.
///
/// Any standard error turns into one with `?`. Where one record is at fault, say which, with [`Record::error`] or
/// [`At::at`]; then the function's error policy (stop, skip, dead-letter) acts on that record at once. Otherwise the
/// broker finds it by calling again with fewer records.
pub struct Error {
    message: String,
    offset_delta: Option<i32>,
    retry: bool,
}

impl Error {
    /// An error about the whole call.
    pub fn new(message: impl fmt::Display) -> Self {
        Error { message: message.to_string(), offset_delta: None, retry: false }
    }

    /// Marks the error as one that may go away by itself, such as a receiver that is down: the same call is then made
    /// again after a pause, and no record is given up.
    #[must_use]
    pub fn retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the call should be made again.
    pub fn is_retry(&self) -> bool {
        self.retry
    }

    /// How far after the batch's base offset the record at fault is, where it is known.
    pub fn offset_delta(&self) -> Option<i32> {
        self.offset_delta
    }

    pub(crate) fn at_delta(mut self, offset_delta: i32) -> Self {
        self.offset_delta.get_or_insert(offset_delta);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset_delta {
            Some(delta) => write!(f, "{} (record {delta} of the batch", self.message)?,
            None => write!(f, "{} (the whole batch", self.message)?,
        }
        f.write_str(if self.retry { ", to be retried)" } else { ")" })
    }
}

// `Error` itself is no `std::error::Error`: that is what lets every error that is one turn into it.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error)
    }
}

/// Names the record that an error is about.
pub trait At<T> {
    /// Names the record, unless the error names one already.
    fn at(self, record: &Record<'_>) -> Result<T, Error>;
}

impl<T, E: Into<Error>> At<T> for Result<T, E> {
    fn at(self, record: &Record<'_>) -> Result<T, Error> {
        self.map_err(|error| error.into().at_delta(record.offset_delta()))
    }
}
