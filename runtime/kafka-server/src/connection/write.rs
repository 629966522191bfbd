//! Writing replies in order.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Broken, State};
use crate::dispatch::Reply;
use crate::response::Response;
use crate::service::Service;

/// Buffers handed to one system call.
const MAX_SLICES: usize = 128;
/// How often a write that does not get on is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Writes replies until there are no more.
pub(super) async fn write_replies(
    mut writer: OwnedWriteHalf,
    mut replies: mpsc::Receiver<Reply>,
    state: &State<'_>,
) -> Result<(), Broken> {
    let peer = state.peer;
    while let Some(reply) = replies.recv().await {
        let response = match reply {
            Reply::Now(response) => Some(response),
            Reply::Nothing => None,
            Reply::Later(answer) => answer.await.map_err(|refusal| {
                tracing::warn!(%peer, %refusal, "connection closed");
                Broken
            })?,
        };
        if let Some(response) = response
            && let Err(error) = write_response(&mut writer, response, state.service).await
        {
            tracing::debug!(%peer, %error, "connection lost");
            return Err(Broken);
        }
        state.unwritten.send_modify(|count| *count = count.saturating_sub(1));
    }
    let _ = writer.shutdown().await;
    Ok(())
}

/// Writes the parts of a response without copying them together.
async fn write_response(
    writer: &mut OwnedWriteHalf,
    response: Response,
    service: &Service,
) -> io::Result<()> {
    let charged = response.is_charged();
    let mut parts = response.parts.as_slice();
    let mut offset = 0;
    let mut progress = Instant::now();
    while !parts.is_empty() {
        let written = {
            let slices = slices(parts, offset);
            timeout(LOOK_EVERY, writer.write_vectored(&slices)).await
        };
        match written {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                (parts, offset) = advance(parts, offset, written?);
                progress = Instant::now();
            }
            // A client that does not read may take its time, but not while memory is short.
            Err(_) if charged && service.memory.is_short() => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) if progress.elapsed() > service.options.idle_timeout => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn slices(parts: &[Bytes], offset: usize) -> Vec<IoSlice<'_>> {
    let mut skip = offset;
    let parts = parts.iter().take(MAX_SLICES).map(|part| {
        let rest = part.get(skip..).unwrap_or_default();
        skip = 0;
        IoSlice::new(rest)
    });
    parts.collect()
}

/// What is left after `written` more bytes.
fn advance(mut parts: &[Bytes], mut offset: usize, mut written: usize) -> (&[Bytes], usize) {
    while let [first, rest @ ..] = parts {
        let left = first.remaining() - offset;
        if written < left {
            return (parts, offset + written);
        }
        written -= left;
        offset = 0;
        parts = rest;
    }
    (parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_from_where_the_last_write_ended() {
        let parts = [Bytes::from_static(b"abc"), Bytes::new(), Bytes::from_static(b"defg")];
        let (mut rest, mut offset) = (parts.as_slice(), 0);
        let mut text = Vec::new();
        while !rest.is_empty() {
            let next: Vec<u8> =
                slices(rest, offset).iter().flat_map(|slice| slice.to_vec()).take(2).collect();
            (rest, offset) = advance(rest, offset, next.len());
            text.extend(next);
        }
        assert_eq!(text, b"abcdefg");
    }
}
