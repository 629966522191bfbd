//! Frames: a length of four bytes, and as many bytes.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::memory::{Memory, RequestCharge};
use crate::options::Options;

/// Memory reserved for a frame before its bytes are there. Most frames fit and are never moved: a
/// producer's batches, 16 KiB each by default, and what is around them.
const FIRST_RESERVE: usize = 256 << 10;
/// A frame must come at least this fast on the whole, beside the time that it may stall.
const LEAST_BYTES_PER_SECOND: u64 = 16 << 10;
/// A connection that goes beyond the memory budget keeps all others from doing so: it has to hurry.
const OVERDRAFT_STALL: Duration = Duration::from_secs(5);

/// A request's bytes, and the memory they are charged for.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) charge: RequestCharge,
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a request of {0} bytes is not acceptable")]
    Length(i32),
    #[error("a request came too slowly")]
    Stalled,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame begins.
    Frame,
    /// The client has closed.
    End,
    /// Nothing came for as long as a connection may be idle.
    Idle,
}

/// Waits for the next frame to begin. Nothing is lost if this is dropped.
pub(crate) async fn wait_for_frame<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    options: &Options,
) -> io::Result<Next> {
    match timeout(options.idle_timeout, reader.fill_buf()).await {
        Err(_) => Ok(Next::Idle),
        Ok(Ok([])) => Ok(Next::End),
        Ok(Ok(_)) => Ok(Next::Frame),
        Ok(Err(error)) => Err(error),
    }
}

/// Reads a frame that has begun.
pub(crate) async fn read_frame<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    memory: &Memory,
    options: &Options,
) -> Result<Frame, FrameError> {
    let announced =
        timeout(options.stall_timeout, reader.read_i32()).await.map_err(|_| FrameError::Stalled)??;
    let length = usize::try_from(announced).map_err(|_| FrameError::Length(announced))?;
    if length > options.request_max_bytes {
        return Err(FrameError::Length(announced));
    }
    let seconds = u64::from(announced.unsigned_abs()) / LEAST_BYTES_PER_SECOND;
    let latest = Instant::now() + options.stall_timeout + Duration::from_secs(seconds);
    let mut charge = RequestCharge::default();
    let mut buffer = BytesMut::new();
    while buffer.len() < length {
        if buffer.len() == buffer.capacity() {
            let target = length.min((buffer.len() * 4).max(FIRST_RESERVE));
            memory.charge_request(&mut charge, target).await;
            buffer.reserve(target - buffer.len());
        }
        let stall = if charge.is_overdrawn() {
            OVERDRAFT_STALL.min(options.stall_timeout)
        } else {
            options.stall_timeout
        };
        let missing = length - buffer.len();
        let mut limited = bytes::BufMut::limit(&mut buffer, missing);
        let reading = timeout_at(latest.min(Instant::now() + stall), reader.read_buf(&mut limited));
        if reading.await.map_err(|_| FrameError::Stalled)?? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(Frame { bytes: buffer.freeze(), charge })
}
