//! A server that runs in the process of the test, and its clients.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use longhaul_serve::{Options, Server};
use record::{Limits, SinkKind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use transport::{Body, Connection, Peer, Trust, body};

/// The protocols that a server speaks.
pub(crate) const PROTOCOLS: [&str; 5] = ["h1c", "h2c", "h1", "h2", "h3"];

/// A running server.
pub(crate) struct Running {
    pub(crate) cleartext: SocketAddr,
    pub(crate) tls: SocketAddr,
    trust: Trust,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A response whose body was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// Reads a response to its end.
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        Self { status: head.status, headers: head.headers, body: body.to_bytes().to_vec(), trailers }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Running {
    /// Starts a server with a grace period of 10 s.
    pub(crate) fn start(options: Options) -> Self {
        Self::start_with_grace(options, Duration::from_secs(10))
    }

    pub(crate) fn start_with_grace(options: Options, grace: Duration) -> Self {
        let server = Server::bind(options).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        Self {
            cleartext: server.cleartext_addr().unwrap(),
            tls: server.tls_addr().unwrap(),
            trust: Trust::pem(server.certificate_pem().unwrap()).unwrap(),
            stop,
            task: tokio::spawn(server.run(async { drop(stopped.await) }, grace)),
        }
    }

    /// Stops the server. The returned task ends together with the server.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.task
    }

    /// Opens a connection.
    pub(crate) async fn dial(&self, protocol: &str) -> Box<dyn Connection> {
        self.dial_with(protocol, &Limits::default()).await
    }

    pub(crate) async fn dial_with(&self, protocol: &str, limits: &Limits) -> Box<dyn Connection> {
        let transport = transport::by_name(protocol).unwrap();
        let secured = transport.protocol().scheme() == "https";
        let addr = if secured { self.tls } else { self.cleartext };
        let peer = Peer::new(addr, "localhost", self.trust.clone());
        transport.connect(&peer, limits).await.unwrap()
    }

    /// Makes one exchange on a new connection.
    pub(crate) async fn exchange(&self, protocol: &str, method: Method, target: &str, body: Body) -> Answer {
        self.exchange_with(protocol, method, target, &[], body).await
    }

    /// Makes one exchange with these headers on a new connection.
    pub(crate) async fn exchange_with(
        &self,
        protocol: &str,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let connection = self.dial(protocol).await;
        let mut request = request(protocol, method, target, body);
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        Answer::of(connection.exchange(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, protocol: &str, target: &str) -> Answer {
        self.exchange(protocol, Method::GET, target, body::empty()).await
    }

    /// Sends bytes to the port for cleartext, and reads the whole answer.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read(&mut stream).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.cleartext).await.unwrap()
    }
}

/// Returns a request in the form that a client of a protocol sends.
pub(crate) fn request(protocol: &str, method: Method, target: &str, body: Body) -> Request<Body> {
    let scheme = transport::by_name(protocol).unwrap().protocol().scheme();
    let uri = format!("{scheme}://localhost{target}");
    Request::builder().method(method).uri(uri).body(body).unwrap()
}

/// Reads a connection to its end, or to a reset.
pub(crate) async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the first twelve bytes that arrive within 10 s: version and status, which may be 100 (Continue).
pub(crate) async fn soon_status(stream: &mut TcpStream) -> String {
    let mut start = [0; 12];
    timeout(Duration::from_secs(10), stream.read_exact(&mut start)).await.unwrap().unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

/// Returns a folder, and the options of a server that saves uploads there.
pub(crate) fn saving() -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.uploads = SinkKind::Save(folder.path().to_owned());
    (folder, options)
}

/// Returns the names in a folder, including hidden ones.
pub(crate) fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Returns the number of files in a folder that this process has open, including unnamed ones.
pub(crate) fn open_files(folder: &tempfile::TempDir) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    paths.filter(|path| path.starts_with(folder.path())).count()
}

/// Waits up to 10 s for a condition.
pub(crate) async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition never held");
}
