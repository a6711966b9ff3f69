//! Writes the blocks of one file, behind whoever fills them, and has them on their way to the disk early.
//!
//! A blocking thread writes as long as there are full blocks, and is given back when there are none: however
//! many uploads are slow, the others find a thread.

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

/// How many bytes are written before they are sent on to the disk, while the next are written: the disk
/// works from the beginning, and never has more than about twice this left to do at the end. Often enough
/// for that, and rarely enough that the file system's journal does not notice.
const FLUSH: usize = 32 << 20;

/// How many bytes of disk are reserved ahead of what is written. Where a file system decides on the place
/// only when it writes behind, it holds up whoever writes ahead: with ext4 8 ms of every 40.
const RESERVE: u64 = 128 << 20;

/// Writes blocks to a file, in order.
#[derive(Debug)]
pub(super) struct Writer {
    room: Room,
    allocated: usize,
    written: u64,
    reserved: u64,
    unflushed: usize,
    flushing: Option<JoinHandle<io::Result<()>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    moved: Notify,
}

#[derive(Debug)]
struct Queue {
    /// `None` while the thread has it, and after a failure.
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

    /// An empty block, once there is one.
    pub(super) async fn block(&mut self) -> io::Result<BytesMut> {
        if self.allocated < self.room.blocks {
            self.allocated += 1;
            return Ok(BytesMut::with_capacity(self.room.block));
        }
        self.shared.wait(|queue| queue.empty.pop()).await
    }

    /// Has a block written.
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

    /// Sends what has been written on to the disk, once it is done with the stretch before, and reserves room
    /// for what comes.
    async fn flush(&mut self) -> io::Result<()> {
        self.flushed().await?;
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

    async fn flushed(&mut self) -> io::Result<()> {
        match self.flushing.take() {
            Some(flushing) => flushing.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }

    /// The file, once every block is written.
    pub(super) async fn finish(mut self) -> io::Result<Unfinished> {
        self.flushed().await?;
        self.shared.wait(|queue| queue.file.take()).await
    }
}

/// Where there is no room, or none can be reserved, writing will tell.
fn reserve(file: &File, from: u64, to: u64) {
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, to - from);
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `take` gives something. Only one may wait, which is whoever fills the blocks.
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

    /// Writes full blocks until there are none.
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
