//! The server that a client under proof talks to, for one run.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use receiver::{Halt, Receipt};
use record::{Case, Direction, Fault, FaultKind, Protocol};
use serve::{HostName, Options, Receipts, Server, Traffic};
use tempfile::NamedTempFile;

use crate::{command::Placeholder, standstill::allowance};

/// The host name in the certificate of the server, beside loopback addresses.
const NAME: &str = "localhost";

/// A server on loopback, which receives or sends the body of one case.
pub(crate) struct Origin {
    server: Server,
    observed: Observed,
    url: String,
    addr: SocketAddr,
    certificate: Option<NamedTempFile>,
}

/// The observations of an origin so far.
#[derive(Clone)]
pub(crate) struct Observed {
    traffic: Traffic,
    direction: Direction,
    uploads: Arc<Mutex<Uploads>>,
}

/// The complete uploads of an origin.
#[derive(Default)]
struct Uploads {
    longest: Option<Receipt>,
    before_each: Option<Box<dyn Fn() + Send>>,
}

impl Uploads {
    fn add(&mut self, receipt: &Receipt) {
        if let Some(action) = &self.before_each {
            action();
        }
        if self.longest.as_ref().is_none_or(|longest| receipt.bytes >= longest.bytes) {
            self.longest = Some(receipt.clone());
        }
    }
}

impl Observed {
    /// Returns the body bytes that have moved in the direction of the case.
    pub(crate) fn bytes(&self) -> u64 {
        match self.direction {
            Direction::Up => self.traffic.received_bytes(),
            Direction::Down => self.traffic.sent_bytes(),
        }
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.traffic.requests()
    }

    /// Sets an action that precedes each receipt. The client still runs then, because it waits for its receipt.
    pub(crate) fn before_each_receipt(&self, action: impl Fn() + Send + 'static) {
        self.uploads().before_each = Some(Box::new(action));
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the receipt of the longest complete upload; `None` before the first one.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        self.uploads().longest.clone()
    }
}

impl Origin {
    /// Listens for the client of a case. The server aborts a transfer that is silent for `patience`. The reader of an
    /// upload stops at a halt.
    pub(crate) fn listen(case: &Case, patience: Duration, halt: Option<&Halt>) -> Result<Self, Fault> {
        let listen_on = |ip: IpAddr| Self::listen_on(ip, case, patience, halt);
        // A machine may have no IPv4. If IPv6 fails as well, the fault over IPv4 is returned.
        listen_on(Ipv4Addr::LOCALHOST.into())
            .or_else(|fault| listen_on(Ipv6Addr::LOCALHOST.into()).map_err(|_| fault))
    }

    /// Listens on a port of loopback in cleartext, for a proxy that passes on the requests of a case. The reader of an
    /// upload stops at a halt.
    pub(crate) fn behind_proxy(
        port: u16,
        case: &Case,
        patience: Duration,
        halt: &Halt,
    ) -> Result<Self, Fault> {
        let mut options = Options::default();
        options.listen = Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        options.reader_halt = Some(halt.clone());
        // A proxy may send any name of the server in Host.
        options.access.hosts.extend("*".parse::<HostName>());
        Self::bind(options, case, patience)
    }

    fn listen_on(ip: IpAddr, case: &Case, patience: Duration, halt: Option<&Halt>) -> Result<Self, Fault> {
        let mut options = Options::default();
        let any_port = Some(SocketAddr::new(ip, 0));
        match protocol(case)?.is_encrypted() {
            true => options.listen_tls = any_port,
            false => options.listen = any_port,
        }
        (options.reader_rate, options.reader_halt) = (case.reader_rate, halt.cloned());
        Self::bind(options, case, patience)
    }

    fn bind(mut options: Options, case: &Case, patience: Duration) -> Result<Self, Fault> {
        let uploads: Arc<Mutex<Uploads>> = Arc::default();
        let complete = uploads.clone();
        // The record states these limits. They fix the socket buffers. The bytes that a proxy absorbs then do not
        // depend on the kernel's auto-tuning.
        options.limits = case.limits.clone();
        options.min_chunk = options.min_chunk.min(case.chunk);
        options.max_chunk = options.max_chunk.max(case.chunk);
        options.min_rate = None;
        options.idle_timeout = patience.saturating_add(allowance(case));
        options.receipts = Some(Receipts::to(move |receipt| {
            complete.lock().unwrap_or_else(PoisonError::into_inner).add(receipt);
        }));
        let server = Server::bind(options).map_err(|error| failed(error.to_string()))?;
        let addr = server.tls_addr().or(server.cleartext_addr());
        let addr = addr.ok_or_else(|| failed("the server has no address".into()))?;
        let certificate = server.certificate_pem().map(certificate_file).transpose();
        let certificate =
            certificate.map_err(|error| failed(format!("cannot write the certificate: {error}")))?;
        let traffic = server.traffic();
        let url = url(protocol(case)?, addr, case);
        Ok(Self {
            server,
            observed: Observed { traffic, direction: case.direction, uploads },
            url,
            addr,
            certificate,
        })
    }

    /// Returns the value of a placeholder for the server.
    pub(crate) fn value(&self, placeholder: Placeholder) -> OsString {
        match placeholder {
            Placeholder::Url => self.url.clone().into(),
            Placeholder::Host => self.addr.ip().to_string().into(),
            Placeholder::Port => self.addr.port().to_string().into(),
            Placeholder::Cacert => {
                self.certificate.as_ref().map(|file| file.path().as_os_str().to_owned()).unwrap_or_default()
            }
            Placeholder::File | Placeholder::Size | Placeholder::N => OsString::new(),
        }
    }

    /// Returns the observations, which stay readable after the server has ended.
    pub(crate) fn observed(&self) -> Observed {
        self.observed.clone()
    }

    /// Serves until this future is dropped.
    pub(crate) async fn serve(self) {
        // The certificate must stay as long as a client may read it.
        let _certificate = self.certificate;
        self.server.run(std::future::pending(), Duration::ZERO).await;
    }
}

fn failed(error: String) -> Fault {
    Fault::new(FaultKind::Listen, error)
}

/// Returns the protocol of a case, which the server must have.
fn protocol(case: &Case) -> Result<&'static Protocol, Fault> {
    let protocol = Protocol::by_name(&case.protocol).filter(|protocol| protocol.is_http());
    protocol.ok_or_else(|| failed(format!("{} is not served", case.protocol)))
}

/// Returns the URL of the upload or the download. With TLS, its host is the name in the certificate.
fn url(protocol: &Protocol, addr: SocketAddr, case: &Case) -> String {
    let authority = if protocol.is_encrypted() && addr.is_ipv4() {
        format!("{NAME}:{}", addr.port())
    } else {
        addr.to_string()
    };
    let target = match case.direction {
        Direction::Up => "upload".to_owned(),
        Direction::Down => {
            format!("?size={}&chunk={}&seed={}", case.body.0, u64::from(case.chunk), case.seed)
        }
    };
    format!("{}://{authority}/{target}", protocol.scheme())
}

pub(crate) fn certificate_file(pem: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("longhaul-").suffix(".pem").tempfile()?;
    file.write_all(pem.as_bytes())?;
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use record::{H2_FRAME, H2_WINDOW, LimitValue};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    /// The client's connection preface with an empty SETTINGS frame (RFC 9113 section 3.4).
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// Returns the settings of the first frame that an origin sends: pairs of an identifier and a value.
    async fn settings(case: &Case) -> Vec<(u16, u32)> {
        let origin = Origin::listen(case, Duration::from_secs(10), None).unwrap();
        let mut stream = TcpStream::connect(origin.addr).await.unwrap();
        let reading = async {
            stream.write_all(PREFACE).await.unwrap();
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(head[3], 4, "the first frame has the settings");
            let mut payload = vec![0; usize::from(head[2])];
            stream.read_exact(&mut payload).await.unwrap();
            payload
        };
        let payload = tokio::select! {
            payload = reading => payload,
            () = origin.serve() => panic!("the origin has ended"),
        };
        let setting = |bytes: &[u8]| {
            let value = u32::from_be_bytes(bytes[2..].try_into().unwrap());
            (u16::from_be_bytes([bytes[0], bytes[1]]), value)
        };
        payload.chunks_exact(6).map(setting).collect()
    }

    #[tokio::test]
    async fn an_origin_has_the_limits_that_the_case_states() {
        let mut case = Case::new("h2c");
        let (window, frame) = ((4, 768 << 10), (5, 256 << 10));
        let by_default = settings(&case).await;
        assert!(by_default.contains(&window) && by_default.contains(&frame), "{by_default:?}");
        case.limits.set(&H2_WINDOW, LimitValue::Bytes(64 << 10)).unwrap();
        case.limits.set(&H2_FRAME, LimitValue::Bytes(32 << 10)).unwrap();
        let (window, frame) = ((4, 64 << 10), (5, 32 << 10));
        let set = settings(&case).await;
        assert!(set.contains(&window) && set.contains(&frame), "{set:?}");
    }

    #[tokio::test]
    async fn a_download_has_the_size_chunk_and_seed_of_its_case() {
        let mut case = Case::new("h1c");
        (case.direction, case.body.0, case.seed) = (Direction::Down, 5000, 7);
        for chunk in [512, 2 << 20] {
            case.chunk = chunk.try_into().unwrap();
            let origin = Origin::listen(&case, Duration::from_secs(10), None).unwrap();
            let (_, target) = origin.url.rsplit_once('/').unwrap();
            assert_eq!(target, format!("?size=5000&chunk={chunk}&seed=7"));
            let mut stream = TcpStream::connect(origin.addr).await.unwrap();
            let request = format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let (mut response, observed) = (Vec::new(), origin.observed());
            tokio::select! {
                read = stream.read_to_end(&mut response) => assert!(read.unwrap() > 5000),
                () = origin.serve() => panic!("the origin has ended"),
            }
            assert!(response.starts_with(b"HTTP/1.1 200 ") && observed.bytes() == 5000);
        }
    }
}
