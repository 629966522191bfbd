//! Writing replies in order.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Broken, State};
use crate::dispatch::{Refusal, Reply};
use crate::response::Response;
use crate::service::Service;

/// Buffers handed to one system call.
const MAX_SLICES: usize = 128;
/// How often a write that does not get on is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Answers that are ready together go into one system call, unless they are large.
const TOGETHER_BYTES: usize = 64 << 10;

/// Writes replies until there are no more.
pub(super) async fn write_replies(
    mut writer: OwnedWriteHalf,
    mut replies: mpsc::Receiver<Reply>,
    state: &State<'_>,
) -> Result<(), Broken> {
    let peer = state.peer;
    let mut waiting = None;
    while let Some(first) = next(&mut waiting, &mut replies).await {
        let mut ready = Ready::default();
        let mut refused = ready.add(answer(first).await);
        while refused.is_none()
            && ready.bytes < TOGETHER_BYTES
            && let Ok(reply) = replies.try_recv()
        {
            match answer_now(reply) {
                Ok(answer) => refused = ready.add(answer),
                Err(later) => {
                    waiting = Some(later);
                    break;
                }
            }
        }
        let count = ready.replies;
        if let Err(error) = write_responses(&mut writer, ready.responses, state.service).await {
            tracing::debug!(%peer, %error, "connection lost");
            return Err(Broken);
        }
        if let Some(refusal) = refused {
            tracing::warn!(%peer, %refusal, "connection closed");
            return Err(Broken);
        }
        state.unwritten.send_modify(|unwritten| *unwritten = unwritten.saturating_sub(count));
    }
    let _ = writer.shutdown().await;
    Ok(())
}

type Answer = Result<Option<Response>, Refusal>;

async fn next(waiting: &mut Option<Reply>, replies: &mut mpsc::Receiver<Reply>) -> Option<Reply> {
    match waiting.take() {
        Some(reply) => Some(reply),
        None => replies.recv().await,
    }
}

async fn answer(reply: Reply) -> Answer {
    match reply {
        Reply::Now(response) => Ok(Some(response)),
        Reply::Nothing => Ok(None),
        Reply::Later(answer) => answer.await,
    }
}

/// The answer, or the reply again if it is not ready.
fn answer_now(reply: Reply) -> Result<Answer, Reply> {
    match reply {
        Reply::Now(response) => Ok(Ok(Some(response))),
        Reply::Nothing => Ok(Ok(None)),
        Reply::Later(mut answer) => match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => Err(Reply::Later(answer)),
        },
    }
}

/// Replies that can be written.
#[derive(Default)]
struct Ready {
    responses: Vec<Response>,
    bytes: usize,
    replies: usize,
}

impl Ready {
    /// Adds an answer, or answers why the connection is to be closed behind those before it.
    fn add(&mut self, answer: Answer) -> Option<Refusal> {
        match answer {
            Ok(response) => {
                self.replies += 1;
                self.bytes +=
                    response.iter().flat_map(|response| &response.parts).map(Bytes::len).sum::<usize>();
                self.responses.extend(response);
                None
            }
            Err(refusal) => Some(refusal),
        }
    }
}

/// Writes the parts of responses without copying them together.
async fn write_responses(
    writer: &mut OwnedWriteHalf,
    mut responses: Vec<Response>,
    service: &Service,
) -> io::Result<()> {
    let charged = responses.iter().any(Response::is_charged);
    let all: Vec<Bytes> =
        responses.iter_mut().flat_map(|response| std::mem::take(&mut response.parts)).collect();
    let mut parts = all.as_slice();
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
