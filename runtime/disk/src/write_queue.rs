//! Writes that are on their way to the disk while no thread waits for them.
//!
//! Linux's asynchronous I/O (`io_submit(2)`), past the page cache and durable by itself (`O_DIRECT`, `RWF_DSYNC`):
//! whoever begins a write goes on at once, and a descriptor can be read when one has ended. So a write
//! takes one thread less to be woken than one that a thread of its own waits for. Unlike `io_uring` it tells an end without
//! the thread that began the write, and container runtimes allow it.
//!
//! The disk reads a write's memory until its end is told. It belongs to a slot of the queue, which lets
//! go of it only then; a queue that is dropped waits for its writes.

#![allow(
    unsafe_code,
    reason = "no crate that is kept up wraps these four system calls; what they need is said at each"
)]

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::aligned::{AlignedPiece, PIECE_BYTES, Rest};
use crate::direct::{DirectFile, is_refusal};

/// As many as a disk gains from, of some hundred KiB each.
const SLOTS: usize = 4;

/// `IOCB_CMD_PWRITE` and `IOCB_FLAG_RESFD` of `linux/aio_abi.h`.
const COMMAND_PWRITE: u16 = 1;
const FLAG_RESULT_FD: u32 = 1;

/// `struct io_event` of `linux/aio_abi.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct IoEvent {
    data: u64,
    request: u64,
    result: i64,
    second_result: i64,
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteEnd {
    /// It is on disk.
    Durable,
    /// It is not, for want of room or because it cannot be done in this way: to be done by
    /// [`DiskFile::write_durable`](crate::DiskFile::write_durable), which says what is the matter if it still is.
    NotWritten,
    /// It failed, and nobody knows what is on disk.
    Failed(io::Error),
}

/// A queue of a few writes.
pub struct WriteQueue {
    context: libc::c_ulong,
    ended: OwnedFd,
    slots: Mutex<[Slot; SLOTS]>,
    /// What the system answers is that it cannot do this.
    is_refused: AtomicBool,
}

#[derive(Default)]
struct Slot {
    piece: AlignedPiece,
    write: Option<Write>,
}

/// What a slot's memory is being written for.
struct Write {
    tag: u64,
    len: usize,
    /// One that no other write has, once this one is about to begin.
    descriptor: Option<File>,
    file: Arc<DirectFile>,
}

impl Drop for Write {
    fn drop(&mut self) {
        if let Some(descriptor) = self.descriptor.take() {
            self.file.put_back(descriptor);
        }
    }
}

impl WriteQueue {
    /// Most bytes of one write: what one who begins it may be kept by copying them.
    pub const MAX_BYTES: usize = PIECE_BYTES;

    /// Fails where the system has no such thing, or no more of it (`fs.aio-max-nr`).
    pub(crate) fn open() -> io::Result<WriteQueue> {
        let ended = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let mut context: libc::c_ulong = 0;
        // SAFETY: the system writes one word, to memory that is ours.
        let done = unsafe { libc::syscall(libc::SYS_io_setup, SLOTS, &raw mut context) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(WriteQueue { context, ended, slots: Mutex::default(), is_refused: AtomicBool::new(false) })
    }

    /// Whether a write can be begun before another one has ended.
    pub fn has_room(&self) -> bool {
        self.slots.lock().iter().any(|slot| slot.write.is_none())
    }

    /// Whether the system has answered that it cannot do this. Then nothing more should be begun.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Begins to write `bufs`, whole blocks, to `file`. Answers whether it has.
    pub(crate) fn begin(
        &self,
        file: &Arc<DirectFile>,
        of: &File,
        bufs: &[IoSlice<'_>],
        position: u64,
        tag: u64,
    ) -> bool {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let (Ok(position), 1..=Self::MAX_BYTES) = (i64::try_from(position), len) else {
            return false;
        };
        let Some(descriptor) = file.take(of) else {
            return false;
        };
        let reserved = {
            let mut slots = self.slots.lock();
            let free = slots.iter_mut().enumerate().find(|(_, slot)| slot.write.is_none());
            free.map(|(number, slot)| {
                slot.write = Some(Write { tag, len, descriptor: None, file: Arc::clone(file) });
                (number, std::mem::take(&mut slot.piece))
            })
        };
        let Some((number, mut piece)) = reserved else {
            file.put_back(descriptor);
            return false;
        };
        if piece.copy(&mut Rest::of(bufs.iter().map(|buf| &buf[..])), len).is_err() {
            self.set(number, |slot| drop(slot.write.take()));
            file.put_back(descriptor);
            return false;
        }
        let request = self.request(number, &descriptor, piece.from(0), position);
        self.set(number, |slot| {
            slot.piece = piece;
            if let Some(write) = &mut slot.write {
                write.descriptor = Some(descriptor);
            }
        });
        let begun = self.submit(request);
        if let Err(error) = &begun {
            self.set(number, |slot| drop(slot.write.take()));
            if error.kind() != io::ErrorKind::WouldBlock {
                self.is_refused.store(true, Ordering::Relaxed);
            }
        }
        begun.is_ok()
    }

    fn set(&self, number: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.lock().get_mut(number) {
            change(slot);
        }
    }

    fn request(&self, slot: usize, descriptor: &File, bytes: &[u8], position: i64) -> libc::iocb {
        // SAFETY: it is plain numbers, all of which may be zero.
        let mut request: libc::iocb = unsafe { std::mem::zeroed() };
        request.aio_data = slot as u64;
        request.aio_lio_opcode = COMMAND_PWRITE;
        request.aio_rw_flags = libc::RWF_DSYNC;
        request.aio_fildes = descriptor.as_raw_fd().cast_unsigned();
        request.aio_buf = bytes.as_ptr() as u64;
        request.aio_nbytes = bytes.len() as u64;
        request.aio_offset = position;
        request.aio_flags = FLAG_RESULT_FD;
        request.aio_resfd = self.ended.as_raw_fd().cast_unsigned();
        request
    }

    /// Begins what a slot's memory and descriptor are for.
    fn submit(&self, mut request: libc::iocb) -> io::Result<()> {
        let requests = [&raw mut request];
        loop {
            // SAFETY: the request is copied. Memory and descriptor are a slot's, which keeps them until the end of this
            // write is told, and the queue waits for that before they go.
            let begun = unsafe { libc::syscall(libc::SYS_io_submit, self.context, 1_i64, requests.as_ptr()) };
            match begun {
                1 => return Ok(()),
                0.. => return Err(io::ErrorKind::WouldBlock.into()),
                _ => {}
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// The writes that have ended since this was asked before, with their tags.
    pub fn take_ended(&self) -> Vec<(u64, WriteEnd)> {
        let mut events = [IoEvent::default(); SLOTS];
        let patience = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the system writes as many events as there is room for, to memory that is ours.
        let told = unsafe {
            let (events, patience) = (events.as_mut_ptr(), &raw const patience);
            libc::syscall(libc::SYS_io_getevents, self.context, 0_i64, SLOTS as i64, events, patience)
        };
        let mut slots = self.slots.lock();
        let ended = events.iter().take(usize::try_from(told).unwrap_or(0)).filter_map(|event| {
            let write = slots.get_mut(event.data as usize)?.write.take()?;
            Some((write.tag, end_of(event.result, write.len)))
        });
        ended.collect()
    }

    /// Makes the descriptor readable, so that whoever waits for it looks again.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.ended, &1_u64.to_ne_bytes());
    }
}

fn end_of(result: i64, len: usize) -> WriteEnd {
    match usize::try_from(result) {
        Ok(written) if written == len => WriteEnd::Durable,
        Ok(_) => WriteEnd::NotWritten,
        Err(_) => {
            let errno = i32::try_from(result.saturating_neg()).unwrap_or(i32::MAX);
            let error = io::Error::from_raw_os_error(errno);
            let passing = [Errno::NOSPC, Errno::DQUOT, Errno::AGAIN, Errno::INTR];
            if is_refusal(&error) || passing.iter().any(|other| other.raw_os_error() == errno) {
                WriteEnd::NotWritten
            } else {
                WriteEnd::Failed(error)
            }
        }
    }
}

impl AsFd for WriteQueue {
    /// Readable when a write has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl AsRawFd for WriteQueue {
    fn as_raw_fd(&self) -> RawFd {
        self.ended.as_raw_fd()
    }
}

impl Drop for WriteQueue {
    fn drop(&mut self) {
        // SAFETY: nobody uses the queue any more. Returns when all of its writes have ended.
        if unsafe { libc::syscall(libc::SYS_io_destroy, self.context) } < 0 {
            // Their memory may still be read.
            std::mem::forget(std::mem::take(&mut *self.slots.lock()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_write_is_told_by_its_result() {
        let failed = |errno: Errno| end_of(-i64::from(errno.raw_os_error()), 10);
        assert!(matches!(end_of(10, 10), WriteEnd::Durable));
        assert!(matches!(end_of(9, 10), WriteEnd::NotWritten), "the rest of it is missing");
        assert!(matches!(failed(Errno::NOSPC), WriteEnd::NotWritten));
        assert!(matches!(failed(Errno::INVAL), WriteEnd::NotWritten));
        assert!(matches!(failed(Errno::IO), WriteEnd::Failed(error) if error.raw_os_error() == Some(5)));
        assert!(matches!(end_of(i64::MIN, 10), WriteEnd::Failed(_)));
    }
}
