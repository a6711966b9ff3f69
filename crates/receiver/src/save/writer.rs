//! The writer of one file's blocks. It writes blocks while the body fills the next ones, and flushes bytes to the disk
//! early.
//!
//! A blocking thread writes while there are full blocks, and is released when there are none. Slow bodies, in any
//! number, therefore do not occupy threads.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use rustix::fs::FallocateFlags;
use tokio::{
    sync::Notify,
    task::{JoinHandle, spawn_blocking},
};

use super::{claim::Claim, room::Room};

/// The number of bytes between two flushes. A flush runs while the next bytes are written, so that the disk works from
/// the beginning. When the body ends, at most about twice this many bytes are still to be flushed. More frequent
/// flushes would burden the file system's journal.
const FLUSH: usize = 32 << 20;

/// The largest number of bytes on the disk that are reserved ahead of the writer. Otherwise a file system with delayed
/// allocation blocks the writer while it allocates: ext4 for 8 ms of every 40 ms.
const RESERVE: u64 = 128 << 20;

/// The divisor of the free space that gives the largest reservation: a tenth. A reservation smaller than [`FLUSH`] is
/// not made, so that many new bodies do not take the disk from each other.
const SHARE: u64 = 10;

/// The largest number of bytes of one system call. The page cache allocates as much contiguous memory as one call
/// fills. Some virtual machines give free memory back to their host (free page reporting), and the host must provide
/// large contiguous pieces again. There, beside downloads, a GiB took 1.17 s of processor time in calls of 256 KiB, and
/// 0.65 s in calls of 32 KiB. On a machine that keeps its free memory, the smaller calls cost more: 0.61 instead of
/// 0.57 s (h1c), 0.69 instead of 0.61 s (h2c).
const CALL: usize = 32 << 10;

/// A queue of blocks that are written to a file, in order.
#[derive(Debug)]
pub(super) struct Writer {
    room: Room,
    /// The number of allocated blocks, at most the `blocks` of the room.
    allocated: usize,
    /// The length of the body in bytes, if it is known.
    announced: Option<u64>,
    /// The number of bytes in all blocks so far.
    written: u64,
    /// The file offset up to which space on the disk is reserved.
    reserved: u64,
    /// The number of bytes since the last flush.
    unflushed: usize,
    /// The running flush, which returns the offset up to which space on the disk is reserved afterwards.
    flushing: Option<JoinHandle<io::Result<u64>>>,
    /// True if a flush has failed. The disk may then lack any of the bytes so far.
    has_lost_bytes: bool,
    /// The share of the file in the quota, which bounds the reserved space; `None` without a quota.
    claim: Option<Claim>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals that a block was written, or that the thread has ended.
    moved: Notify,
}

#[derive(Debug)]
struct Queue {
    /// The file; `None` while a thread writes to it.
    file: Option<Arc<File>>,
    full: VecDeque<BytesMut>,
    empty: Vec<BytesMut>,
    failed: Option<io::Error>,
}

impl Writer {
    pub(super) fn new(file: Arc<File>, room: Room, announced: Option<u64>, claim: Option<Claim>) -> Self {
        let queue = Queue { file: Some(file), full: VecDeque::new(), empty: Vec::new(), failed: None };
        let shared = Shared { queue: Mutex::new(queue), moved: Notify::new() };
        Self {
            room,
            allocated: 0,
            announced,
            written: 0,
            reserved: 0,
            unflushed: 0,
            flushing: None,
            has_lost_bytes: false,
            claim,
            shared: Arc::new(shared),
        }
    }

    /// Sets the number of bytes that the file already has. Blocks are appended to them.
    pub(super) fn after(self, bytes: u64) -> Self {
        Self { written: bytes, reserved: bytes, ..self }
    }

    /// Waits for an empty block.
    pub(super) async fn block(&mut self) -> io::Result<BytesMut> {
        if self.allocated < self.room.blocks {
            self.allocated += 1;
            return Ok(BytesMut::with_capacity(self.room.block));
        }
        self.shared.wait(|queue| queue.empty.pop()).await
    }

    /// Queues a full block, and starts a thread unless one is writing.
    pub(super) async fn write(&mut self, block: BytesMut) -> io::Result<()> {
        self.written += block.len() as u64;
        self.unflushed += block.len();
        {
            let mut queue = self.shared.lock();
            queue.full.push_back(block);
            if queue.failed.is_none()
                && let Some(file) = queue.file.take()
            {
                let shared = self.shared.clone();
                spawn_blocking(move || shared.write_all(file));
            }
        }
        if self.unflushed >= FLUSH { self.flush().await } else { Ok(()) }
    }

    /// Starts to flush the bytes written so far, once the previous flush has ended. Also reserves space on the disk for
    /// the next bytes.
    async fn flush(&mut self) -> io::Result<()> {
        self.wait_for_flush().await?;
        let file = self.shared.wait(|queue| queue.file.clone()).await?;
        let from = self.reserved.max(self.written);
        let to = self.written.saturating_add(RESERVE).min(self.announced.unwrap_or(u64::MAX));
        let claim = self.claim.clone();
        self.flushing = Some(spawn_blocking(move || {
            let reserved = match claim {
                Some(claim) => claim.reserving(|most| reserve(&file, from, to.min(most))),
                None => reserve(&file, from, to),
            };
            file.sync_data().map(|()| reserved)
        }));
        self.unflushed = 0;
        Ok(())
    }

    async fn wait_for_flush(&mut self) -> io::Result<()> {
        if let Some(flushing) = self.flushing.take() {
            let flushed = flushing.await.map_err(io::Error::other).flatten();
            self.has_lost_bytes |= flushed.is_err();
            self.reserved = flushed?;
        }
        Ok(())
    }

    /// Waits until every block is written. No more blocks may follow.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.wait_for_flush().await?;
        self.shared.wait(|queue| queue.file.is_some().then_some(())).await
    }

    /// Waits until no thread uses the file, after a block could not be written. No more blocks may follow.
    ///
    /// # Errors
    /// Fails if a flush has failed, so that earlier bytes may be lost as well.
    pub(super) async fn give_up(&mut self) -> io::Result<()> {
        self.wait_for_flush().await?;
        self.shared.idle().await;
        if self.has_lost_bytes { Err(io::Error::other("a flush has failed")) } else { Ok(()) }
    }
}

/// Reserves space on the disk between two file offsets, or less if there is little free space. Returns the offset up to
/// which space is reserved. A failure is ignored: if the disk is full, the write reports that.
fn reserve(file: &File, from: u64, to: u64) -> u64 {
    let most =
        rustix::fs::fstatvfs(file).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) / SHARE);
    let length = to.saturating_sub(from).min(most);
    let is_worthwhile = length > 0 && most >= FLUSH as u64;
    if is_worthwhile && rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, length).is_ok() {
        from.saturating_add(length)
    } else {
        from
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `take` returns a value. Only the body that fills the blocks may call this function.
    async fn wait<T>(&self, take: impl Fn(&mut Queue) -> Option<T>) -> io::Result<T> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(error) = queue.failed.take() {
                    return Err(error);
                }
                if let Some(taken) = take(&mut queue) {
                    return Ok(taken);
                }
            }
            self.moved.notified().await;
        }
    }

    /// Waits until no thread writes, even after a failure. Only the body that fills the blocks may call this function.
    async fn idle(&self) {
        while self.lock().file.is_none() {
            self.moved.notified().await;
        }
    }

    /// Writes full blocks until none is left, or one cannot be written.
    fn write_all(&self, file: Arc<File>) {
        let mut written = Ok(());
        loop {
            let mut queue = self.lock();
            if let Err(error) = written {
                queue.failed = Some(error);
                queue.file = Some(file);
                break;
            }
            let Some(mut block) = queue.full.pop_front() else {
                queue.file = Some(file);
                break;
            };
            drop(queue);
            written = block.chunks(CALL).try_for_each(|part| (&*file).write_all(part));
            block.clear();
            self.lock().empty.push(block);
            self.moved.notify_one();
        }
        self.moved.notify_one();
    }
}
