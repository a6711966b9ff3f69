//! Ports for programs that take one by their command line.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    thread::sleep,
    time::Duration,
};

/// The first port, and the number of ports. They lie below those that Linux gives to connections
/// (`net.ipv4.ip_local_port_range`, from 32,768 on), one of which could get the port before the program listens.
const PORTS: (u16, u16) = (20_000, 12_000);

/// Returns a port of localhost that is free for TCP and UDP. No other call in this process gets the same port.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new((process::id() * 97) as u16));
    let (first, count) = PORTS;
    loop {
        let address = (Ipv4Addr::LOCALHOST, first + NEXT.fetch_add(1, Ordering::Relaxed) % count);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address.1;
        }
    }
}

/// Waits until a program listens on a port of localhost.
pub fn wait_for(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("localhost", port)).is_ok() {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("nobody listens on port {port}");
}
