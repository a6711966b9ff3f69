//! Datagrams that arrive at the socket of another thread than the one that their connection ID names.
//!
//! On Linux the kernel hands each datagram to the right socket ([`steering`](super::steering)). There are two
//! exceptions: the kernel has joined datagrams of several connections from one address (GRO), or it refuses the filter.
//! The threads hand such datagrams over among themselves.

use std::{
    collections::VecDeque,
    io::IoSliceMut,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Context,
};

use futures_util::task::AtomicWaker;
use quinn::udp::RecvMeta;

use super::connection_ids::thread_of;

/// The most datagrams that wait for a thread. Further ones are lost, as in a socket whose buffer is full.
const WAITING: usize = 1024;

/// The mailboxes of the threads of a listener.
#[derive(Clone, Debug)]
pub(super) struct Mailboxes(Arc<[Mailbox]>);

#[derive(Debug, Default)]
struct Mailbox {
    waiting: Mutex<VecDeque<Parcel>>,
    waker: AtomicWaker,
}

/// A datagram, with the facts about its arrival.
#[derive(Debug)]
struct Parcel {
    bytes: Vec<u8>,
    meta: RecvMeta,
}

/// A thread's access to the mailboxes: it takes from its own, and delivers to those of the others.
#[derive(Clone, Debug)]
pub(super) struct Post {
    thread: u16,
    threads: u16,
    boxes: Mailboxes,
}

impl Mailboxes {
    /// Returns empty mailboxes, one for each of `threads` threads.
    pub(super) fn of(threads: u16) -> Self {
        Self((0..threads).map(|_| Mailbox::default()).collect())
    }

    /// Returns the mailbox of a thread.
    pub(super) fn post(&self, thread: u16) -> Post {
        Post { thread, threads: u16::try_from(self.0.len()).unwrap_or(u16::MAX), boxes: self.clone() }
    }
}

impl Post {
    /// Returns the number of the thread, and the number of threads.
    pub(super) fn place(&self) -> (u16, u16) {
        (self.thread, self.threads)
    }

    /// Takes the datagrams that other threads have received for this thread, as many as fit. Returns the number of
    /// datagrams.
    pub(super) fn take(&self, cx: &Context<'_>, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let Some(own) = self.own() else { return 0 };
        own.waker.register(cx.waker());
        let mut waiting = own.waiting();
        let mut taken = 0;
        for (buffer, place) in bufs.iter_mut().zip(meta) {
            let Some(Parcel { bytes, meta }) = waiting.pop_front() else { break };
            let Some(room) = buffer.get_mut(..bytes.len()) else { continue };
            room.copy_from_slice(&bytes);
            *place = meta;
            taken += 1;
        }
        taken
    }

    /// Hands over received datagrams that belong to other threads. Returns the number of messages that are left for
    /// this thread, which come first in `bufs`.
    pub(super) fn sort(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta], received: usize) -> usize {
        let mut kept = 0;
        for i in 0..received.min(bufs.len()).min(meta.len()) {
            let (Some(buffer), Some(facts)) = (bufs.get(i), meta.get(i).copied()) else { break };
            let bytes = buffer.get(..facts.len).unwrap_or_default();
            if datagrams(bytes, facts.stride).all(|datagram| self.is_own(datagram)) {
                if kept < i {
                    let (free, rest) = bufs.split_at_mut(i);
                    if let (Some(free), Some(full)) = (free.get_mut(kept), rest.first()) {
                        let len = facts.len.min(free.len()).min(full.len());
                        free[..len].copy_from_slice(&full[..len]);
                    }
                    if let Some(place) = meta.get_mut(kept) {
                        *place = facts;
                    }
                }
                kept += 1;
            } else {
                datagrams(bytes, facts.stride).for_each(|datagram| self.send(datagram, facts));
            }
        }
        kept
    }

    fn own(&self) -> Option<&Mailbox> {
        self.boxes.0.get(usize::from(self.thread))
    }

    fn is_own(&self, datagram: &[u8]) -> bool {
        thread_of(datagram, self.threads).is_none_or(|thread| thread == self.thread)
    }

    fn send(&self, datagram: &[u8], facts: RecvMeta) {
        let thread = thread_of(datagram, self.threads).unwrap_or(self.thread);
        let Some(addressee) = self.boxes.0.get(usize::from(thread)) else { return };
        let mut waiting = addressee.waiting();
        if waiting.len() < WAITING {
            let (len, stride) = (datagram.len(), datagram.len());
            waiting.push_back(Parcel { bytes: datagram.to_vec(), meta: RecvMeta { len, stride, ..facts } });
        }
        drop(waiting);
        addressee.waker.wake();
    }
}

impl Mailbox {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Parcel>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the datagrams of a message that GRO may have joined.
fn datagrams(message: &[u8], stride: usize) -> impl Iterator<Item = &[u8]> {
    message.chunks(stride.max(1))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Returns a message of datagrams of 30 bytes with short headers, whose connection IDs begin with these numbers.
    fn message(ids: &[u16]) -> (Vec<u8>, RecvMeta) {
        let datagram = |id: &u16| [&[0x40], &id.to_be_bytes()[..], &[id.to_be_bytes()[1]; 27]].concat();
        let bytes: Vec<u8> = ids.iter().flat_map(datagram).collect();
        let meta = RecvMeta { len: bytes.len(), stride: 30, ..RecvMeta::default() };
        (bytes, meta)
    }

    fn ids(buffer: &[u8], meta: &RecvMeta) -> Vec<u8> {
        datagrams(&buffer[..meta.len], meta.stride).map(|datagram| datagram[29]).collect()
    }

    #[test]
    fn datagrams_reach_the_thread_that_their_id_names() {
        let boxes = Mailboxes::of(3);
        let messages = [&[1, 4][..], &[3], &[2, 0, 1, 7], &[6]].map(message);
        let mut buffers: Vec<Vec<u8>> =
            messages.iter().map(|(bytes, _)| [bytes.as_slice(), &[0; 200]].concat()).collect();
        let mut meta: Vec<RecvMeta> = messages.iter().map(|(_, meta)| *meta).collect();
        let mut bufs: Vec<_> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        assert_eq!(boxes.post(0).sort(&mut bufs, &mut meta, 4), 2);
        assert_eq!((ids(&bufs[0], &meta[0]), ids(&bufs[1], &meta[1])), (vec![3], vec![6]));
        let cx = Context::from_waker(Waker::noop());
        let mut take = |thread| {
            let taken = boxes.post(thread).take(&cx, &mut bufs, &mut meta);
            (0..taken).flat_map(|i| ids(&bufs[i], &meta[i])).collect::<Vec<_>>()
        };
        assert_eq!([take(0), take(1), take(2)], [vec![0], vec![1, 4, 1, 7], vec![2]]);
        assert_eq!(take(1), [0_u8; 0]);
    }

    #[test]
    fn a_thread_that_takes_nothing_costs_bounded_memory() {
        let boxes = Mailboxes::of(2);
        let (mut bytes, meta) = message(&[1; 20]);
        for _ in 0..100 {
            let mut bufs = [IoSliceMut::new(&mut bytes)];
            assert_eq!(boxes.post(0).sort(&mut bufs, &mut [meta], 1), 0);
        }
        assert_eq!(boxes.post(1).own().unwrap().waiting().len(), WAITING);
    }
}
