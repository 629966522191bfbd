//! One connection: reading, serving and writing, side by side in one task.
//!
//! Requests are served one after another and answered in order, as Kafka does: one waits until the
//! socket has taken the answers to those before it, so it sees what they did, and a client that does
//! not read has one answer in memory. There is one exception: while the records of a Produce are on
//! their way to the disk, and their answer on its way to the client, the next Produce is taken in.
//!
//! ```text
//!  socket ─► read ─► one frame ahead ─► serve ─► queue of replies (bounded) ─► write ─► socket
//! ```
//! Reading one frame ahead is how a client that goes away is noticed while its fetch waits. A client
//! that does not read its responses fills the queue, and then only itself waits.

mod write;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::decode::RequestHead;
use crate::dispatch::{Refusal, Reply, serve};
use crate::frame::{Frame, FrameError, Next, read_frame, wait_for_frame};
use crate::service::{Call, ClientSoftware, Service};
use crate::throttle::Stopwatch;
use write::write_replies;

/// Enough for the length and a small request in one system call; larger ones bypass it.
const READ_BUFFER_BYTES: usize = 2 << 10;

/// Serves a connection until it ends.
///
/// Cancelling `gone` ends it: no more requests are read, what waits is broken off, the rest is
/// answered. It is cancelled when the client goes away, too.
pub(crate) async fn run(stream: TcpStream, peer: SocketAddr, service: &Service, gone: &CancellationToken) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let unwritten = watch::Sender::new(0usize);
    let software = ClientSoftware::default();
    let state = State { service, peer, software, gone, unwritten, serving: AtomicBool::new(false) };
    let (frames_in, frames_out) = mpsc::channel(1);
    let (replies_in, replies_out) = mpsc::channel(service.options.max_in_flight.max(1));
    let reading = read_frames(reader, frames_in, &state);
    let serving = state.serve_frames(frames_out, replies_in);
    let writing = write_replies(writer, replies_out, &state);
    // A failed write ends all three; otherwise each ends when the one before it has.
    let _ = tokio::try_join!(reading, serving, writing);
}

/// The connection is of no more use.
#[derive(Debug)]
pub(crate) struct Broken;

async fn read_frames(
    reader: OwnedReadHalf,
    frames: mpsc::Sender<Frame>,
    state: &State<'_>,
) -> Result<(), Broken> {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    loop {
        let frame = tokio::select! {
            frame = next_frame(&mut reader, state) => frame,
            () = state.gone.cancelled() => return Ok(()),
        };
        match frame {
            Ok(Some(frame)) => {
                if frames.send(frame).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => break,
            Err(FrameError::Io(error)) => {
                tracing::debug!(peer = %state.peer, %error, "connection lost");
                break;
            }
            Err(error) => {
                state.service.metrics.connections_closed.inc();
                tracing::warn!(peer = %state.peer, %error, "connection closed");
                break;
            }
        }
    }
    state.gone.cancel();
    Ok(())
}

/// None at the end of the connection, or when it was idle for too long with nothing to wait for.
async fn next_frame(
    reader: &mut BufReader<OwnedReadHalf>,
    state: &State<'_>,
) -> Result<Option<Frame>, FrameError> {
    let Service { memory, options, .. } = state.service;
    loop {
        match wait_for_frame(reader, options).await? {
            Next::Frame => return read_frame(reader, memory, options).await.map(Some),
            Next::End => return Ok(None),
            Next::Idle if state.serving.load(Ordering::Relaxed) => {}
            Next::Idle => return Ok(None),
        }
    }
}

/// What the three activities of a connection share.
struct State<'a> {
    service: &'a Service,
    peer: SocketAddr,
    software: ClientSoftware,
    gone: &'a CancellationToken,
    /// Replies that the socket has not taken yet.
    unwritten: watch::Sender<usize>,
    /// A request is being served.
    serving: AtomicBool,
}

impl State<'_> {
    async fn serve_frames(
        &self,
        mut frames: mpsc::Receiver<Frame>,
        replies: mpsc::Sender<Reply>,
    ) -> Result<(), Broken> {
        while let Some(frame) = frames.recv().await {
            self.serving.store(true, Ordering::Relaxed);
            let (reply, quiet) = match self.serve_one(frame).await {
                Ok(served) => served,
                Err(refusal) => {
                    self.service.metrics.connections_closed.inc();
                    tracing::warn!(peer = %self.peer, %refusal, "connection closed");
                    break;
                }
            };
            self.unwritten.send_modify(|count| *count += 1);
            if replies.send(reply).await.is_err() {
                break;
            }
            if !quiet.is_zero() {
                self.mute(quiet).await;
            }
            self.serving.store(false, Ordering::Relaxed);
        }
        self.gone.cancel();
        Ok(())
    }

    /// A client over a quota is not heard for a while.
    async fn mute(&self, quiet: Duration) {
        tokio::select! {
            () = tokio::time::sleep(quiet) => {}
            () = self.gone.cancelled() => {}
        }
    }

    /// Answers the reply, and for how long the client is not heard after it.
    async fn serve_one(&self, frame: Frame) -> Result<(Reply, Duration), Refusal> {
        let frame_bytes = frame.bytes.len();
        let mut body = frame.bytes;
        let head = RequestHead::parse(&mut body)?;
        if head.api != kafka_protocol::messages::ApiKey::Produce {
            let _ = self.unwritten.subscribe().wait_for(|count| *count == 0).await;
        }
        let call = Call {
            service: self.service,
            head: &head,
            frame_bytes,
            peer: self.peer,
            software: &self.software,
            gone: self.gone,
            stopwatch: Stopwatch::default(),
            mute_ms: AtomicU32::new(0),
        };
        let reply = if self.service.broker.client_quotas().is_empty() {
            serve(&call, body).await?
        } else {
            call.stopwatch.measure(serve(&call, body)).await?
        };
        drop(frame.charge);
        let reply = match reply {
            Reply::Now(response) => Reply::Now(response.charged(&self.service.memory)),
            other => other,
        };
        Ok((reply, Duration::from_millis(u64::from(call.mute_ms.load(Ordering::Relaxed)))))
    }
}
