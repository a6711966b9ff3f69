//! Servers over TCP whose behaviour each test defines, and which serve one connection after the other.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use longhaul_client::{Client, Options, Target, Transfer, TransferReport};
use record::{Build, Fault};

/// Starts a server that calls `handle` with each connection and its number. Returns the URL of its root.
pub(crate) fn serve(mut handle: impl FnMut(Exchange, usize) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            handle(Exchange { reader: BufReader::new(stream.try_clone().unwrap()), stream }, number);
        }
    });
    url
}

/// The server's end of one connection.
pub(crate) struct Exchange {
    reader: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Exchange {
    /// Reads the lines of a request's head. The client writes the names of fields in lower case.
    pub(crate) fn head(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                return lines;
            }
            lines.push(line.trim_end().to_owned());
        }
    }

    /// Reads a chunked body, and returns its length.
    pub(crate) fn chunked(&mut self) -> usize {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            self.sized(size + 2);
            length += size;
            if size == 0 {
                return length;
            }
        }
    }

    /// Reads a body of `length` bytes.
    pub(crate) fn sized(&mut self, length: usize) {
        std::io::copy(&mut self.reader.by_ref().take(length as u64), &mut std::io::sink()).unwrap();
    }

    /// Sends bytes, and ignores a client that has closed the connection.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Keeps the connection open, with nothing more to read or send.
    pub(crate) fn hold(self) {
        std::mem::forget(self);
    }
}

/// Returns a response from the rest of its status line, further header lines, and a body with a Content-Length.
pub(crate) fn response(status: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Creates a channel for the heads of the requests that a server receives.
pub(crate) fn heads() -> (mpsc::Sender<Vec<String>>, mpsc::Receiver<Vec<String>>) {
    mpsc::channel()
}

/// Makes a transfer, and returns its report.
pub(crate) async fn transfer(options: Options, url: &str, transfer: impl Into<Transfer>) -> TransferReport {
    let client = Client::new(options, Build::default());
    client.run(&Target::parse(url).unwrap(), transfer, |_| {}).await
}

/// Returns options with a short timeout.
pub(crate) fn impatient() -> Options {
    Options::default().with_timeout(Duration::from_secs(2)).with_max_time(Duration::from_secs(20))
}

/// Makes a transfer that must fail, and returns the fault.
pub(crate) async fn fault(url: &str, transfer: impl Into<Transfer>) -> Fault {
    let record = self::transfer(impatient(), url, transfer).await.record;
    assert!(record.elapsed_s.is_none() && record.goodput_bytes_per_s.is_none(), "a failure has no goodput");
    record.error.unwrap()
}
