//! The limits on connections: in all, for each port, and for each address. Each connection takes a place.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The divisor of the places: a sixteenth is reserved for each port, so that no port starves the others.
const RESERVED: u32 = 16;

/// The most connections that wait for a place. Further ones are refused.
pub(crate) const WAITING: usize = 64;

/// The places for connections of one port. Clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    shared: Arc<Semaphore>,
    own: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    addresses: Addresses,
}

/// The reason why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The address of the client holds as many connections as one address may.
    Address,
    /// No place is free, and [`WAITING`] connections already wait for one, or the connection has waited in vain.
    Full,
}

/// An admitted connection, which has a place or may wait for one.
#[derive(Debug)]
pub(crate) struct Entry {
    places: Places,
    place: Option<OwnedSemaphorePermit>,
    waiting: Option<OwnedSemaphorePermit>,
    address: Option<CountedAddress>,
}

/// The permit of a connection. Dropping this value frees the connection's place.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    _place: OwnedSemaphorePermit,
    _address: Option<CountedAddress>,
}

impl Places {
    /// Returns the places of `ports` ports: `most` in all, and at most `most_per_address` for each address that is not
    /// a loopback address.
    pub(crate) fn of_ports(ports: usize, most: u32, most_per_address: u32) -> Vec<Self> {
        let most = most.max(1);
        let count = u32::try_from(ports).unwrap_or(u32::MAX).max(1);
        let reserved = if most / 2 >= count && count > 1 { (most / RESERVED).max(1) } else { 0 };
        let semaphore =
            |permits: u32| Arc::new(Semaphore::new((permits as usize).min(Semaphore::MAX_PERMITS)));
        let shared = semaphore(most.saturating_sub(reserved.saturating_mul(count)));
        let (waiting, addresses) = (Arc::new(Semaphore::new(WAITING)), Addresses::new(most_per_address));
        let port = |_| Self {
            shared: shared.clone(),
            own: semaphore(reserved),
            waiting: waiting.clone(),
            addresses: addresses.clone(),
        };
        (0..ports).map(port).collect()
    }

    /// Admits a connection, or returns the reason why it is refused.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<Entry, Refused> {
        let address = self.addresses.count(peer).ok_or(Refused::Address)?;
        let take = |from: &Arc<Semaphore>| from.clone().try_acquire_owned().ok();
        // The places reserved for the port are taken first, so that the shared places last longer.
        let place = take(&self.own).or_else(|| take(&self.shared));
        let waiting = if place.is_some() { None } else { Some(take(&self.waiting).ok_or(Refused::Full)?) };
        Ok(Entry { places: self.clone(), place, waiting, address })
    }

    /// Waits for a free place.
    async fn free(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            place = self.shared.clone().acquire_owned() => place.ok(),
            place = self.own.clone().acquire_owned() => place.ok(),
        }
    }
}

impl Entry {
    /// Returns whether the connection already has a place.
    #[cfg(test)]
    pub(crate) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Returns the permit of the connection, as soon as there is a place. `None` if no place is free within `limit`.
    pub(crate) async fn place(self, limit: Duration) -> Option<ConnectionPermit> {
        let place = match self.place {
            Some(place) => place,
            None => timeout(limit, self.places.free()).await.ok().flatten()?,
        };
        drop(self.waiting);
        Some(ConnectionPermit { _place: place, _address: self.address })
    }
}

/// The numbers of connections by address.
#[derive(Clone, Debug)]
struct Addresses {
    most: u32,
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A connection that counts towards the limit of its client's address. Dropping this value ends the count.
#[derive(Debug)]
struct CountedAddress {
    address: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    fn new(most: u32) -> Self {
        Self { most: most.max(1), counts: Arc::default() }
    }

    /// Counts a connection of `peer`. Returns `None` if its address has too many connections, and `Some(None)` for a
    /// loopback address, which is not counted.
    fn count(&self, peer: IpAddr) -> Option<Option<CountedAddress>> {
        let address = counted_address(peer);
        if address.is_loopback() {
            return Some(None);
        }
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Some(CountedAddress { address, addresses: self.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CountedAddress {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Returns the address by which a client's connections are counted: for IPv6, its /64 (RFC 6177 section 2).
fn counted_address(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn enter(places: &Places, peer: &str) -> Result<Entry, Refused> {
        places.enter(peer.parse().unwrap())
    }

    #[tokio::test]
    async fn no_port_takes_the_last_places_of_the_others() {
        let ports = Places::of_ports(3, 32, 64);
        let taken: Vec<_> = (0..28).map(|_| ports[0].enter(LOOPBACK).unwrap()).collect();
        assert!(taken.iter().all(|entry| entry.place.is_some()));
        assert!(ports[0].enter(LOOPBACK).unwrap().place.is_none());
        for port in &ports[1..] {
            let own: Vec<_> = (0..2).map(|_| port.enter(LOOPBACK).unwrap()).collect();
            assert!(own.iter().all(|entry| entry.place.is_some()));
        }
    }

    #[test]
    fn a_single_place_is_anybodys() {
        let ports = Places::of_ports(3, 1, 64);
        let first = ports[2].enter(LOOPBACK).unwrap();
        assert!(first.place.is_some() && ports[0].enter(LOOPBACK).unwrap().place.is_none());
        let only = Places::of_ports(1, 0, 64);
        assert!(only[0].enter(LOOPBACK).unwrap().place.is_some());
    }

    #[tokio::test]
    async fn some_connections_wait_for_a_place_for_a_while_and_others_are_refused() {
        let places = Places::of_ports(1, 1, 64).remove(0);
        let place = places.enter(LOOPBACK).unwrap().place(Duration::ZERO).await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| places.enter(LOOPBACK).unwrap()).collect();
        assert_eq!(places.enter(LOOPBACK).unwrap_err(), Refused::Full);
        assert!(waiting.pop().unwrap().place(Duration::from_millis(20)).await.is_none());
        let patient = tokio::spawn(waiting.pop().unwrap().place(Duration::from_secs(10)));
        tokio::task::yield_now().await;
        drop(place);
        assert!(patient.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_address_has_its_own_bound_and_loopback_has_none() {
        let places = Places::of_ports(1, 1000, 2).remove(0);
        let peers = ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"];
        let mut held: Vec<_> = peers[..2].iter().map(|peer| enter(&places, peer).unwrap()).collect();
        assert_eq!(enter(&places, peers[2]).unwrap_err(), Refused::Address);
        held.extend([enter(&places, "2001:db8::1").unwrap(), enter(&places, "2001:db8::2:1").unwrap()]);
        assert_eq!(enter(&places, "2001:db8::3").unwrap_err(), Refused::Address);
        held.push(enter(&places, "2001:db8:0:1::3").unwrap());
        held.extend((0..100).map(|_| enter(&places, "127.0.0.1").unwrap()));
        let place = held.remove(0).place(Duration::ZERO).await.unwrap();
        assert_eq!(enter(&places, peers[2]).unwrap_err(), Refused::Address);
        drop(place);
        assert!(enter(&places, peers[2]).is_ok());
        drop(held);
        assert!(places.addresses.lock().is_empty());
    }
}
