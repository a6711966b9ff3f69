//! A line: packets on their way, each with the time of its arrival.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    rc::Rc,
    time::Duration,
};

use process::Stamp;
use tokio::sync::Notify;

use crate::alarm::Alarm;

/// A queue of packets on their way. One task adds packets, and another takes them when they are due.
pub(crate) struct Line<T> {
    packets: RefCell<BinaryHeap<Reverse<Packet<T>>>>,
    /// The number of packets so far. It keeps packets that arrive at the same time in order.
    added: Cell<u64>,
    news: Notify,
    began: Stamp,
    /// The shortest time to wait for a packet that is not due yet.
    slack: Duration,
}

struct Packet<T> {
    due: Duration,
    ordinal: u64,
    content: T,
}

impl<T> Line<T> {
    /// Returns an empty line, whose times count from `began`.
    pub(crate) fn new(began: Stamp) -> Rc<Self> {
        Self::in_batches(began, Duration::ZERO)
    }

    /// Returns an empty line, whose packets may be late by up to `slack`. One wait then serves all packets that become
    /// due within this time.
    pub(crate) fn in_batches(began: Stamp, slack: Duration) -> Rc<Self> {
        Rc::new(Self { packets: RefCell::default(), added: Cell::new(0), news: Notify::new(), began, slack })
    }

    /// Adds a packet that arrives at `due`.
    pub(crate) fn add(&self, due: Duration, content: T) {
        let ordinal = self.added.get();
        self.added.set(ordinal.wrapping_add(1));
        let mut packets = self.packets.borrow_mut();
        let is_next = packets.peek().is_none_or(|Reverse(first)| due < first.due);
        packets.push(Reverse(Packet { due, ordinal, content }));
        if is_next {
            self.news.notify_one();
        }
    }

    /// Waits until the next packet is due, and takes it. One task may wait at a time.
    pub(crate) async fn take(&self, alarm: &mut Alarm) -> T {
        loop {
            let due = self.packets.borrow().peek().map(|Reverse(first)| first.due);
            let wait = due.map(|due| due.saturating_sub(self.began.elapsed()));
            match wait {
                Some(Duration::ZERO) => {
                    if let Some(Reverse(packet)) = self.packets.borrow_mut().pop() {
                        return packet.content;
                    }
                }
                Some(wait) => tokio::select! {
                    () = alarm.after(wait.max(self.slack)) => {}
                    () = self.news.notified() => {}
                },
                None => self.news.notified().await,
            }
        }
    }
}

impl<T> PartialEq for Packet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Packet<T> {}

impl<T> PartialOrd for Packet<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Packet<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.ordinal).cmp(&(other.due, other.ordinal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_come_in_the_order_of_their_arrival_and_not_before_it() {
        let began = Stamp::now();
        let (line, mut alarm) = (Line::new(began), Alarm::new().unwrap());
        for (due, name) in [(20, "late"), (5, "early"), (5, "second")] {
            line.add(Duration::from_millis(due), name);
        }
        for (due, name) in [(5, "early"), (5, "second"), (20, "late")] {
            assert_eq!(line.take(&mut alarm).await, name);
            assert!(began.elapsed() >= Duration::from_millis(due), "{name}");
        }
    }

    #[tokio::test]
    async fn a_packet_that_overtakes_wakes_the_task_that_waits_for_an_earlier_one() {
        let (line, mut alarm) = (Line::new(Stamp::now()), Alarm::new().unwrap());
        line.add(Duration::from_secs(3600), "waits");
        let (taken, ()) = tokio::join!(line.take(&mut alarm), async {
            tokio::task::yield_now().await;
            line.add(Duration::ZERO, "overtakes");
        });
        assert_eq!(taken, "overtakes");
    }

    #[tokio::test]
    async fn packets_that_are_due_at_nearly_the_same_time_share_a_wait() {
        let (began, slack) = (Stamp::now(), Duration::from_millis(20));
        let (line, mut alarm) = (Line::in_batches(began, slack), Alarm::new().unwrap());
        (1..=3).for_each(|due_ms| line.add(Duration::from_millis(due_ms), due_ms));
        for due_ms in 1..=3 {
            assert_eq!(line.take(&mut alarm).await, due_ms);
            assert!(began.elapsed() >= slack, "{due_ms}");
        }
    }
}
