//! The processes of the ends. Each enters its namespace and does one task, a word and its parameters.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::ExitCode,
    thread::sleep,
    time::Duration,
};

use longhaul_network::Site;
use process::Stamp;

/// The port of every server.
const PORT: u16 = 7000;

/// The time after which a datagram is taken as lost.
const PATIENCE: Duration = Duration::from_millis(300);

/// Returns the task, if this process was started as an end.
pub(crate) fn requested() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == "end").then(|| arguments.next())?
}

/// Enters the namespace that standard input states, and does a task.
pub(crate) fn main(task: &str) -> ExitCode {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let site: Site = serde_json::from_str(&line).unwrap();
    longhaul_network::enter(&site.namespace).unwrap();
    let words: Vec<&str> = task.split(' ').collect();
    match words[..] {
        ["echo"] => echo(&site),
        ["ask", server, count] => ask(&site, server, count.parse().unwrap()),
        ["flood", server, count] => flood(&site, server, count.parse().unwrap()),
        ["burst", server, count] => burst(&site, server, count.parse().unwrap()),
        ["receive"] => receive(&site),
        ["send", server, bytes] => send(server, bytes.parse().unwrap()),
        ["watch", interface] => watch(interface),
        _ => panic!("{task}"),
    }
    ExitCode::SUCCESS
}

/// Returns the address of a server on a host.
fn at(host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), PORT)
}

/// Sends back all datagrams.
fn echo(site: &Site) {
    let socket = UdpSocket::bind((site.address, PORT)).unwrap();
    println!("ready");
    let mut datagram = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut datagram).unwrap();
        socket.send_to(&datagram[..length], from).unwrap();
    }
}

/// Sends datagrams one after the other, and prints the milliseconds until each is back.
fn ask(site: &Site, server: &str, count: u64) {
    let socket = UdpSocket::bind((site.address, 0)).unwrap();
    socket.connect(at(server)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut times = Vec::new();
    for ordinal in 0..count {
        let began = Stamp::now();
        socket.send(&ordinal.to_be_bytes()).unwrap();
        let mut answer = [0; 8];
        if socket.recv(&mut answer).is_ok() && answer == ordinal.to_be_bytes() {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("{}", serde_json::to_string(&times).unwrap());
}

/// Sends datagrams without waiting for each answer, and prints the number of answers.
fn flood(site: &Site, server: &str, count: u64) {
    let socket = UdpSocket::bind((site.address, 0)).unwrap();
    socket.connect(at(server)).unwrap();
    let (mut back, mut answer) = (0, [0; 8]);
    // The shortest timeout that the kernel accepts.
    socket.set_read_timeout(Some(Duration::from_micros(1))).unwrap();
    for ordinal in 0..count {
        socket.send(&ordinal.to_be_bytes()).unwrap();
        back += u64::from(socket.recv(&mut answer).is_ok());
    }
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while socket.recv(&mut answer).is_ok() {
        back += 1;
    }
    println!("{back}");
}

/// Sends all datagrams at once, and waits until they have left the network.
fn burst(site: &Site, server: &str, count: u64) {
    let socket = UdpSocket::bind((site.address, 0)).unwrap();
    socket.connect(at(server)).unwrap();
    for _ in 0..count {
        socket.send(&[0; 1000]).unwrap();
    }
    sleep(PATIENCE);
    println!("sent");
}

/// The body of a transfer.
fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

/// Receives a body, and prints its length or "damaged".
fn receive(site: &Site) {
    let listener = TcpListener::bind((site.address, PORT)).unwrap();
    println!("ready");
    let (mut stream, _) = listener.accept().unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    if received == body(received.len()) { println!("{}", received.len()) } else { println!("damaged") }
}

/// Sends a body.
fn send(server: &str, bytes: usize) {
    let mut stream = TcpStream::connect(at(server)).unwrap();
    stream.write_all(&body(bytes)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // The server closes its side when it has all bytes.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    println!("sent");
}

/// Waits until an interface is gone.
fn watch(interface: &str) {
    let exists =
        || fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains(&format!("{interface}:"));
    println!("{}", if exists() { "ready" } else { "missing" });
    while exists() {
        sleep(Duration::from_millis(2));
    }
    println!("gone");
}
