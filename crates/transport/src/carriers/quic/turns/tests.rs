//! Turns against clients that send whatever their credit allows, without a network and without a clock.

use std::sync::Mutex;

use super::*;

/// The first window of a connection, in bytes.
const FIRST: u64 = 64 << 10;

const WIDE: u32 = FIRST as u32;

/// The flow control of quinn (its connection/streams/state.rs), and a client that sends.
#[derive(Debug, Default)]
struct Flow {
    window: u64,
    /// The bytes by which the window shrank, less those read since: reading them renews no credit.
    debt: u64,
    /// The bytes that the client may send in all.
    most: u64,
    read: u64,
}

impl Flow {
    fn credit(&self) -> u64 {
        self.most - self.read
    }

    /// The client sends `bytes`, and this end reads them.
    fn pass(&mut self, bytes: u64) {
        assert!(bytes <= self.credit(), "a client without credit sends nothing");
        self.read += bytes;
        let paid = self.debt.min(bytes);
        self.debt -= paid;
        self.most += bytes - paid;
    }
}

#[derive(Clone, Debug, Default)]
struct Client {
    flow: Arc<Mutex<Flow>>,
    passed: Arc<AtomicU64>,
    id: u64,
}

impl Credit for Client {
    fn set_window(&self, bytes: u32) {
        let mut flow = self.flow.lock().unwrap();
        let bytes = u64::from(bytes);
        flow.most += bytes.saturating_sub(flow.window);
        flow.debt += flow.window.saturating_sub(bytes);
        flow.window = bytes;
    }
}

impl Client {
    /// Returns a client that has begun, and completed its handshake.
    fn join(turns: &mut Turns<Self>) -> Self {
        let mut client = Self::default();
        let (id, begins) = turns.join(WIDE, client.passed.clone());
        client.set_window(begins);
        client.id = id;
        turns.establish(id, client.clone());
        client
    }

    fn credit(&self) -> u64 {
        self.flow.lock().unwrap().credit()
    }

    fn read(&self) -> u64 {
        self.flow.lock().unwrap().read
    }

    fn window(&self) -> u64 {
        self.flow.lock().unwrap().window
    }

    /// Sends up to `most` bytes, which are read.
    fn send(&self, turns: &mut Turns<Self>, most: u64) {
        let bytes = self.credit().min(most);
        self.flow.lock().unwrap().pass(bytes);
        if bytes > 0 {
            self.passed.fetch_add(bytes, Ordering::Relaxed);
            turns.taken(self.id, bytes, WIDE);
        }
    }

    /// Sends bytes that are dropped unread, and that no call reports to the turns.
    fn discard(&self, bytes: u64) {
        self.flow.lock().unwrap().pass(bytes);
    }

    /// Sends all that the credit allows now, and no more.
    fn send_all(&self, turns: &mut Turns<Self>) {
        self.send(turns, u64::MAX);
    }
}

/// The bytes of a turn in a buffer with room for them.
const GRANT: u64 = TURN as u64 * FIRST;

fn turns(windows: usize) -> Turns<Client> {
    Turns::new(windows, WindowBudget::new(1 << 30))
}

/// Returns `count` clients of a crowded server with room for `windows` first windows. Each client has used up its first
/// window. It waits, unless it has a turn.
fn crowd(windows: usize, count: usize) -> (Turns<Client>, Vec<Client>) {
    let mut turns = turns(windows);
    let clients: Vec<Client> = (0..count).map(|_| Client::join(&mut turns)).collect();
    turns.tick(true);
    assert!(turns.is_crowded());
    for client in &clients {
        // The first call's bytes may renew the window once more, so a second call uses that credit up.
        client.send_all(&mut turns);
        let has_turn = matches!(turns.seats[&client.id].stage, Stage::Once { place: true, .. });
        if !has_turn {
            client.send_all(&mut turns);
        }
    }
    (turns, clients)
}

#[test]
fn few_connections_keep_their_windows_however_full_the_buffer_is() {
    let mut turns = turns(4);
    let clients: Vec<Client> = (0..4).map(|_| Client::join(&mut turns)).collect();
    for round in 0..50 {
        turns.tick(round % 2 == 0);
        for client in &clients {
            client.send_all(&mut turns);
            assert_eq!((client.credit(), client.window()), (FIRST, FIRST));
        }
    }
    assert!(!turns.is_watched() && !turns.is_crowded());
}

#[test]
fn many_connections_keep_their_windows_while_the_buffer_is_not_full() {
    let mut turns = turns(4);
    let clients: Vec<Client> = (0..40).map(|_| Client::join(&mut turns)).collect();
    // The clients that join later begin with less, until the first tick.
    assert!(clients[..4].iter().all(|client| client.credit() == FIRST));
    assert!(clients[4..].iter().all(|client| client.credit() == u64::from(LEAST)));
    for _ in 0..50 {
        turns.tick(false);
        clients.iter().for_each(|client| client.send_all(&mut turns));
    }
    assert!(clients.iter().all(|client| client.window() == FIRST));
}

#[test]
fn few_windows_grow_between_two_ticks_once_all_places_are_taken() {
    let mut turns = turns(16);
    let clients: Vec<Client> = (0..15).map(|_| Client::join(&mut turns)).collect();
    assert!(clients.iter().all(|client| turns.may_grow(client.id)), "a place is free");
    let more: Vec<Client> = (0..5).map(|_| Client::join(&mut turns)).collect();
    let growing =
        |turns: &mut Turns<Client>| clients.iter().filter(|client| turns.may_grow(client.id)).count();
    assert_eq!(growing(&mut turns), 0, "no tick has shown the buffer");
    for (full, expected) in [(false, 2), (false, 2), (true, 0)] {
        clients.iter().chain(&more).for_each(|client| client.send_all(&mut turns));
        turns.tick(full);
        assert_eq!(growing(&mut turns), expected, "full: {full}");
    }
}

#[test]
fn a_crowd_is_served_in_turns_and_never_exceeds_the_places() {
    let (places, count) = (3, 20);
    let (mut turns, clients) = crowd(places * TURN, count);
    let mut order = Vec::new();
    let before: Vec<u64> = clients.iter().map(Client::read).collect();
    for _ in 0..10 * count {
        let holders: Vec<&Client> = clients.iter().filter(|client| client.credit() > 0).collect();
        assert_eq!(holders.len(), places);
        assert!(holders.iter().all(|client| client.credit() == GRANT));
        let next = holders.iter().min_by_key(|client| order.iter().rposition(|id| *id == client.id));
        let next = next.unwrap();
        order.push(next.id);
        next.send_all(&mut turns);
    }
    let (one, rest) = order.split_at(count);
    assert!(rest.chunks(count).all(|round| round == one), "each client has its turn in each round");
    for (client, before) in clients.iter().zip(before) {
        assert_eq!(client.read() - before, 10 * GRANT);
    }
}

#[test]
fn a_silent_client_does_not_hold_its_turn() {
    let (mut turns, clients) = crowd(1, 3);
    let silent = clients.iter().find(|client| client.credit() > 0).unwrap();
    let others = || clients.iter().filter(|client| client.id != silent.id);
    assert!(others().all(|client| client.credit() == 0));
    let ticks = (1..100).find(|_| {
        turns.tick(true);
        others().any(|client| client.credit() > 0)
    });
    assert_eq!(ticks, Some(16));
    // The silent client keeps its credit and gets a little more. So it can go on even if the server never noticed that
    // a part of the credit was used up.
    assert_eq!(silent.credit(), FIRST + u64::from(LEAST));
    for _ in 0..100 {
        others().for_each(|client| client.send_all(&mut turns));
        silent.send(&mut turns, 10_000);
    }
    assert!(silent.read() > 200_000, "it takes turns again");
}

#[test]
fn a_slow_client_loses_its_turn_later() {
    let (mut turns, clients) = crowd(1, 3);
    let slow = clients.iter().find(|client| client.credit() > 0).unwrap();
    let ticks = (1..200).find(|_| {
        slow.send(&mut turns, 1);
        turns.tick(true);
        clients.iter().any(|client| client.id != slow.id && client.credit() > 0)
    });
    assert_eq!(ticks, Some(40));
}

#[test]
fn a_server_that_keeps_up_gives_more_turns_until_its_buffer_is_full() {
    let (mut turns, _clients) = crowd(1, 100);
    let mut held = Vec::new();
    for full in [false, false, false, true, true] {
        turns.tick(full);
        held.push(turns.held);
    }
    assert_eq!(held, [2, 3, 4, 4, 4]);
    assert_eq!(turns.more, 0, "further turns begin once all but one have ended");
}

#[test]
fn bytes_that_are_discarded_unnoticed_stop_no_client() {
    let (mut turns, clients) = crowd(2, 5);
    for client in &clients {
        let discarded = client.credit().min(40_000);
        client.discard(discarded);
    }
    let before: Vec<u64> = clients.iter().map(Client::read).collect();
    for _ in 0..200 {
        clients.iter().for_each(|client| client.send_all(&mut turns));
        turns.tick(false);
    }
    assert!(clients.iter().zip(before).all(|(client, before)| client.read() > before + 300_000));
}

#[test]
fn turns_end_with_the_crowd() {
    let (mut turns, mut clients) = crowd(2, 5);
    for client in clients.split_off(2) {
        turns.leave(client.id);
    }
    turns.tick(true);
    assert!(!turns.is_crowded());
    for client in &clients {
        while client.window() < FIRST {
            assert!(client.credit() > 0);
            client.send_all(&mut turns);
        }
        assert!(turns.may_grow(client.id));
        assert_eq!(client.credit(), FIRST);
    }
}

proptest::proptest! {
    #[test]
    fn credit_is_bounded_and_all_are_served(
        windows in 1_usize..12,
        total in 0_u64..1_000_000,
        steps in proptest::collection::vec((0_usize..12, 0_u64..100_000, 0_u8..8), 1..400),
    ) {
        let budget = WindowBudget::new(total);
        let mut turns = Turns::new(windows, budget.clone());
        let mut clients: Vec<Option<Client>> = vec![None; 12];
        for (at, bytes, kind) in steps {
            let client = clients[at].get_or_insert_with(|| Client::join(&mut turns)).clone();
            match kind {
                0 => turns.tick(bytes % 2 == 0),
                1 => {
                    turns.leave(client.id);
                    clients[at] = None;
                }
                2 => client.discard(client.credit().min(bytes)),
                _ => client.send(&mut turns, bytes),
            }
            let beyond = |client: &Client| client.credit().saturating_sub(FIRST + u64::from(LEAST));
            proptest::prop_assert!(clients.iter().flatten().map(beyond).sum::<u64>() <= budget.granted());
            proptest::prop_assert!(budget.granted() <= total && turns.held <= clients.len());
        }
        let before: Vec<u64> = clients.iter().flatten().map(Client::read).collect();
        for _ in 0..200 {
            turns.tick(true);
            clients.iter().flatten().for_each(|client| client.send_all(&mut turns));
        }
        for (client, before) in clients.iter().flatten().zip(before) {
            proptest::prop_assert!(client.read() > before + 2 * FIRST);
        }
        drop(turns);
        proptest::prop_assert_eq!(budget.granted(), 0);
    }
}
