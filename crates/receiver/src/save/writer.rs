//! The writer of one file's blocks. It writes behind the body that fills them, and flushes them to the disk early.
//!
//! A blocking thread writes while there are full blocks and is released when there are none. Slow bodies, in any
//! number, therefore leave the threads to the others.

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

use super::{folder::Unfinished, room::Room};

/// The bytes between two flushes. A flush runs while the next bytes are written, so that the disk works from the
/// beginning. At the end, at most about twice this many bytes are left. Flushes this rare do not burden the file
/// system's journal.
const FLUSH: usize = 32 << 20;

/// The bytes of disk that are reserved ahead of the writer. A file system with delayed allocation otherwise blocks the
/// writer while it allocates: ext4 for 8 ms of every 40.
const RESERVE: u64 = 128 << 20;

/// A queue of blocks that are written to a file, in order.
#[derive(Debug)]
pub(super) struct Writer {
    room: Room,
    /// The number of blocks that exist, at most `blocks` of the room.
    allocated: usize,
    /// The bytes of all blocks so far.
    written: u64,
    /// The file offset up to which disk is reserved.
    reserved: u64,
    /// The bytes since the last flush.
    unflushed: usize,
    flushing: Option<JoinHandle<io::Result<()>>>,
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
    /// The file; `None` while the thread writes to it, and after a failure.
    file: Option<Unfinished>,
    full: VecDeque<BytesMut>,
    empty: Vec<BytesMut>,
    failed: Option<io::Error>,
}

impl Writer {
    pub(super) fn new(file: Unfinished, room: Room) -> Self {
        let queue = Queue { file: Some(file), full: VecDeque::new(), empty: Vec::new(), failed: None };
        let shared = Shared { queue: Mutex::new(queue), moved: Notify::new() };
        Self {
            room,
            allocated: 0,
            written: 0,
            reserved: 0,
            unflushed: 0,
            flushing: None,
            shared: Arc::new(shared),
        }
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
            if let Some(file) = queue.file.take() {
                let shared = self.shared.clone();
                spawn_blocking(move || shared.write_all(file));
            }
        }
        if self.unflushed >= FLUSH { self.flush().await } else { Ok(()) }
    }

    /// Starts to flush the bytes written so far, once the previous flush has ended. Reserves disk for the next bytes.
    async fn flush(&mut self) -> io::Result<()> {
        self.wait_for_flush().await?;
        let unfinished = self.shared.wait(|queue| queue.file.take()).await?;
        let file = unfinished.file.clone();
        self.shared.lock().file = Some(unfinished);
        let (from, to) = (self.reserved.max(self.written), self.written + RESERVE);
        self.reserved = to;
        self.flushing = Some(spawn_blocking(move || {
            reserve(&file, from, to);
            file.sync_data()
        }));
        self.unflushed = 0;
        Ok(())
    }

    async fn wait_for_flush(&mut self) -> io::Result<()> {
        match self.flushing.take() {
            Some(flushing) => flushing.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }

    /// Waits until every block is written, and returns the file.
    pub(super) async fn finish(mut self) -> io::Result<Unfinished> {
        self.wait_for_flush().await?;
        self.shared.wait(|queue| queue.file.take()).await
    }
}

/// Reserves the disk between two offsets. A failure is ignored: if the disk is full, the write reports it.
fn reserve(file: &File, from: u64, to: u64) {
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, to - from);
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `take` returns a value. Only the one body that fills the blocks may wait.
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

    /// Writes full blocks until none is left.
    fn write_all(&self, file: Unfinished) {
        let mut written = Ok(());
        loop {
            let mut queue = self.lock();
            if let Err(error) = written {
                queue.failed = Some(error);
                break;
            }
            let Some(mut block) = queue.full.pop_front() else {
                queue.file = Some(file);
                break;
            };
            drop(queue);
            written = (&*file.file).write_all(&block);
            block.clear();
            self.lock().empty.push(block);
            self.moved.notify_one();
        }
        self.moved.notify_one();
    }
}
