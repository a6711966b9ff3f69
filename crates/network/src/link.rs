//! A link: one direction of an emulated network, as a function of time.

use std::{cell::RefCell, rc::Rc, time::Duration};

use process::Stamp;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{DirectionCount, NetworkSpec};

/// One direction of an emulated network.
///
/// A packet waits until the link has sent the earlier packets at its rate. Then the packet travels for half of the
/// round-trip time and a random part of the jitter. Packets stay in order, except for those that are chosen to overtake
/// others.
#[derive(Debug)]
pub(crate) struct Link {
    bits_per_s: Option<u64>,
    delay: Duration,
    jitter: Duration,
    queue: u64,
    loss_per_million: u32,
    reorder_per_million: u32,
    random: Xoshiro256PlusPlus,
    began: Stamp,
    /// The time at which the link has sent all packets that it has taken.
    free: Duration,
    /// The latest arrival of a packet in order.
    last: Duration,
    count: DirectionCount,
}

/// A link that several tasks of one thread share.
pub(crate) type SharedLink = Rc<RefCell<Link>>;

impl Link {
    /// Returns an idle link. Its random numbers follow from `seed`.
    pub(crate) fn new(spec: &NetworkSpec, seed: u64) -> Self {
        Self {
            bits_per_s: spec.rate.map(record::BitRate::bits_per_s),
            delay: spec.rtt / 2,
            jitter: spec.jitter,
            queue: queue(spec),
            loss_per_million: spec.loss_per_million,
            reorder_per_million: spec.reorder_per_million,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            began: Stamp::now(),
            free: Duration::ZERO,
            last: Duration::ZERO,
            count: DirectionCount {
                lost: Some(0),
                overflowed: Some(0),
                reordered: Some(0),
                queue_peak_bytes: Some(0),
                ..DirectionCount::default()
            },
        }
    }

    /// Returns the time at which the link began.
    pub(crate) fn began(&self) -> Stamp {
        self.began
    }

    /// Returns the time since the link began. All times of the link count from there.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns the link's half of the round-trip time.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Returns the counts so far.
    pub(crate) fn count(&self) -> DirectionCount {
        self.count
    }

    /// Counts a packet that came out at the other end.
    pub(crate) fn delivered(&mut self, bytes: usize) {
        self.count.packets = self.count.packets.saturating_add(1);
        self.count.bytes = self.count.bytes.saturating_add(bytes as u64);
    }

    /// Notes the number of bytes that a TCP connection holds in the relay.
    pub(crate) fn holds(&mut self, bytes: u64) {
        self.count.queue_peak_bytes = self.count.queue_peak_bytes.max(Some(bytes));
    }

    /// Takes a packet that arrives now, as [`pass_packet`](Self::pass_packet) does.
    pub(crate) fn take_packet(&mut self, bytes: usize) -> Option<Duration> {
        self.pass_packet(self.now(), bytes)
    }

    /// Takes a packet at the time `now`. Returns the time of its arrival; `None` if the packet is dropped.
    fn pass_packet(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        if self.is_chosen(self.loss_per_million) {
            add(&mut self.count.lost);
            return None;
        }
        // Without a rate, no packet waits.
        if self.bits_per_s.is_some() {
            let waiting = self.waiting(now).saturating_add(bytes as u64);
            if waiting > self.queue {
                add(&mut self.count.overflowed);
                return None;
            }
            self.holds(waiting);
        }
        let sent = self.sent(now, bytes);
        if self.is_chosen(self.reorder_per_million) {
            add(&mut self.count.reordered);
            return Some(sent);
        }
        Some(self.arrival(sent))
    }

    /// Takes a piece of a stream at the time `now`. A piece is never dropped and never overtakes. Returns the time of
    /// its arrival.
    pub(crate) fn pass_piece(&mut self, now: Duration, bytes: usize) -> Duration {
        let sent = self.sent(now, bytes);
        self.arrival(sent)
    }

    /// Returns the number of bytes that wait to be sent at the link's rate.
    fn waiting(&self, now: Duration) -> u64 {
        let Some(bits_per_s) = self.bits_per_s else { return 0 };
        (self.free.saturating_sub(now).as_secs_f64() * bits_per_s as f64 / 8.0) as u64
    }

    /// Adds a packet that arrives at `now` to the bytes to send. Returns the time at which the packet has been sent.
    fn sent(&mut self, now: Duration, bytes: usize) -> Duration {
        let time = self.bits_per_s.map_or(Duration::ZERO, |bits_per_s| {
            Duration::try_from_secs_f64(bytes as f64 * 8.0 / bits_per_s as f64).unwrap_or(Duration::MAX)
        });
        self.free = self.free.max(now).saturating_add(time);
        self.free
    }

    /// Returns the arrival of a packet in order that was sent at `sent`.
    fn arrival(&mut self, sent: Duration) -> Duration {
        let jitter = self.jitter.mul_f64(self.random_share());
        self.last = self.last.max(sent.saturating_add(self.delay).saturating_add(jitter));
        self.last
    }

    fn is_chosen(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.random_share() * 1e6 < f64::from(per_million)
    }

    /// Returns a random number from 0 to below 1.
    fn random_share(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Returns the bytes that the queue of a direction holds.
pub(crate) fn queue(spec: &NetworkSpec) -> u64 {
    spec.queue_bytes()
}

fn add(count: &mut Option<u64>) {
    *count = count.map(|count| count.saturating_add(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link(spec: &str) -> Link {
        Link::new(&spec.parse().unwrap(), 1)
    }

    #[test]
    fn a_packet_travels_for_half_of_the_round_trip() {
        let mut link = link("rtt=40ms");
        assert_eq!(link.pass_packet(5 * MS, 1500), Some(25 * MS));
        assert_eq!(link.pass_packet(5 * MS, 1500), Some(25 * MS));
    }

    #[test]
    fn packets_follow_each_other_at_the_rate_and_an_idle_link_saves_none_of_it() {
        let mut link = link("rate=8Mbit,queue=10KB");
        let arrivals = [0, 0, 0, 9].map(|at| link.pass_packet(at * MS, 1000).unwrap());
        assert_eq!(arrivals, [MS, 2 * MS, 3 * MS, 10 * MS]);
    }

    #[test]
    fn a_packet_that_does_not_fit_in_the_queue_is_dropped() {
        let mut link = link("rate=8Mbit,queue=2KB");
        let passed = [0, 0, 0, 1].map(|at| link.pass_packet(at * MS, 1000).is_some());
        assert_eq!(passed, [true, true, false, true]);
        assert_eq!((link.count().overflowed, link.count().queue_peak_bytes), (Some(1), Some(2000)));
    }

    #[test]
    fn without_a_rate_no_packet_waits_in_the_queue() {
        let mut link = link("rtt=40ms,queue=1KiB");
        assert_eq!(link.pass_packet(5 * MS, 1500), Some(25 * MS));
        assert_eq!((link.count().overflowed, link.count().queue_peak_bytes), (Some(0), Some(0)));
    }

    #[test]
    fn jitter_keeps_the_order_and_its_bounds() {
        let mut link = link("rtt=2ms,jitter=10ms");
        let arrivals: Vec<_> = (0..1000).map(|at| link.pass_packet(at * MS, 1).unwrap()).collect();
        assert!(arrivals.is_sorted());
        for (at, arrival) in (0..).zip(&arrivals) {
            assert!((at * MS + MS..=at * MS + 12 * MS).contains(arrival), "{at} {arrival:?}");
        }
    }

    #[test]
    fn shares_of_the_packets_are_lost_and_overtake() {
        let mut link = link("rtt=2ms,loss=10%,reorder=5%");
        let lost = (0..10_000).filter(|_| link.pass_packet(MS, 1).is_none()).count();
        assert!((850..1150).contains(&lost), "{lost}");
        assert_eq!(link.count().lost, Some(lost as u64));
        assert!((350..550).contains(&link.count().reordered.unwrap()));
    }

    #[test]
    fn a_packet_that_overtakes_leaves_out_the_delay() {
        let mut link = link("rtt=40ms,reorder=99.9999%");
        assert_eq!(link.pass_packet(3 * MS, 1), Some(3 * MS));
    }
}
