//! Two ends in fresh processes, of which each tells its peak RSS: a bench starts its own binary again for each.

use std::{
    io::{self, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use metrics::process::peak_rss_bytes;
use tokio::runtime::Builder;
use transport::{Bind, Identity, Limits, Peer, Transport, Trust};

use crate::{Direction, Job, Metering, exchange::serve};

/// Set for a process that is to be one end: its role, protocol, direction, chunk and size, and a client's peer.
const END: &str = "LONGHAUL_BENCH_END";

const NAME: &str = "localhost";

/// Both peaks of one transfer, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Peaks {
    /// Of the process that sent the body.
    pub sender: u64,
    /// Of the one that received it.
    pub receiver: u64,
}

/// Makes one transfer between two fresh processes.
pub fn transfer(transport: &'static dyn Transport, job: Job) -> Peaks {
    let part = format!("{} {} {} {}", transport.name(), job.direction.name(), job.chunk, job.size);
    let (mut server, mut told) = start(&format!("server {part}"));
    let (addr, certificate) = (line(&mut told), line(&mut told));
    let (mut client, mut result) = start(&format!("client {part} {addr} {certificate}"));
    let client_peak: u64 = line(&mut result).parse().expect("the client's peak");
    client.wait().expect("the client's end");
    let server_peak: u64 = line(&mut told).parse().expect("the server's peak");
    server.wait().expect("the server's end");
    match job.direction {
        Direction::Up => Peaks { sender: client_peak, receiver: server_peak },
        Direction::Down => Peaks { sender: server_peak, receiver: client_peak },
    }
}

/// If this process is one end of a transfer: plays it, and tells that it did.
pub fn is_end() -> bool {
    let Ok(text) = std::env::var(END) else { return false };
    let mut parts = text.split(' ');
    let mut next = || parts.next().expect("a part");
    let role = next();
    let transport = transport::by_name(next()).expect("a protocol");
    let direction = if next() == "up" { Direction::Up } else { Direction::Down };
    let (chunk, size) = (next().parse().expect("a chunk"), next().parse().expect("a size"));
    let job = Job { direction, chunk, size, metering: Metering::On };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    match role {
        "server" => runtime.block_on(server(transport)),
        _ => runtime.block_on(client(transport, job, next(), next())),
    }
    tell(&peak_rss_bytes().expect("Linux").to_string());
    true
}

fn start(part: &str) -> (Child, impl io::BufRead + use<>) {
    let binary = std::env::current_exe().expect("this binary");
    let mut command = Command::new(binary);
    let mut child = command.env(END, part).stdout(Stdio::piped()).spawn().expect("a process");
    let told = BufReader::new(child.stdout.take().expect("its stdout"));
    (child, told)
}

fn line(told: &mut impl io::BufRead) -> String {
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    line.trim().to_owned()
}

fn tell(line: &str) {
    writeln!(io::stdout(), "{line}").expect("a bench that listens");
}

/// Serves one connection; a certificate travels with its line breaks as semicolons.
async fn server(transport: &dyn Transport) {
    let identity = Identity::self_signed(&[NAME]).expect("a certificate");
    let certificate = identity.certificate_pem().replace('\n', ";").replace(' ', "_");
    let bind = Bind::new(([127, 0, 0, 1], 0).into(), identity);
    let listener = transport.listen(&bind, &Limits::default()).expect("a free port");
    tell(&listener.local_addr().to_string());
    tell(&certificate);
    let handshake = listener.accept().await.expect("a connection");
    serve(handshake.await.expect("a handshake").as_ref()).await;
}

async fn client(transport: &dyn Transport, job: Job, addr: &str, certificate: &str) {
    let addr: SocketAddr = addr.parse().expect("an address");
    let trust = Trust::pem(&certificate.replace(';', "\n").replace('_', " ")).expect("a certificate");
    let peer = Peer::new(addr, NAME, trust);
    let connection = transport.connect(&peer, &Limits::default()).await.expect("a connection");
    let scheme = if transport.features().tls { "https" } else { "http" };
    job.make(connection.as_ref(), &format!("{scheme}://{NAME}:{}", addr.port())).await;
    connection.close().await;
}
