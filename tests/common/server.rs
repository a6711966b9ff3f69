//! A running `longhaul serve`.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use record::Protocol;
use serde_json::Value;

pub struct Server {
    process: Child,
    pub listening: Value,
}

impl Server {
    pub fn start(args: &[&str]) -> Self {
        let mut command = super::longhaul(&["serve"]);
        command.args(args);
        Self::spawn(command)
    }

    /// Starts a server whose stderr is written to a file.
    pub fn start_with_stderr(args: &[&str], stderr: &Path) -> Self {
        let mut command = super::longhaul(&["serve"]);
        command.args(args).stderr(File::create(stderr).unwrap());
        Self::listen(command)
    }

    /// Starts a server that may open `most` files.
    pub fn start_with_descriptors(most: u32) -> Self {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_longhaul");
        command.arg("-c").arg(format!("ulimit -n {most}; exec {program} serve"));
        Self::spawn(command)
    }

    /// Starts a server by a command that the test provides.
    pub fn spawn(mut command: Command) -> Self {
        command.stderr(Stdio::null());
        Self::listen(command)
    }

    fn listen(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let listening = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: '{line}'"));
        Self { process, listening }
    }

    pub fn cleartext(&self) -> &str {
        self.listening["cleartext"].as_str().unwrap()
    }

    pub fn tls(&self) -> &str {
        self.listening["tls"].as_str().unwrap()
    }

    pub fn certificate(&self) -> PathBuf {
        self.listening["certificate"].as_str().unwrap().into()
    }

    pub fn fingerprint(&self) -> &str {
        self.listening["fingerprint"].as_str().unwrap()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id() as i32)
    }

    /// Returns the URL of a path for a protocol.
    pub fn url(&self, tls: bool, path: &str) -> String {
        if tls {
            format!("https://{}{path}", self.tls())
        } else {
            format!("http://{}{path}", self.cleartext())
        }
    }

    /// Runs `longhaul send` or `fetch` against this server, whose certificate it trusts.
    pub fn client(&self, command: &str, protocol: &str, path: &str, args: &[&str]) -> Output {
        let tls = Protocol::by_name(protocol).unwrap().is_encrypted();
        let url = self.url(tls, path);
        let certificate = self.certificate();
        let mut all = vec![command, &url, "--protocol", protocol, "--quiet"];
        if tls && !args.iter().any(|arg| ["--pin", "--insecure", "--cacert"].contains(arg)) {
            all.extend(["--cacert", certificate.to_str().unwrap()]);
        }
        all.extend(args);
        super::run(&all)
    }

    /// Sends bytes to the cleartext port, and reads the answer until the server closes.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.cleartext()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that refuses may close before all bytes are written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stops the server with a signal. Returns its exit code.
    pub fn stop(mut self, signal: Signal) -> Option<i32> {
        kill(self.pid(), signal).unwrap();
        self.process.wait().unwrap().code()
    }

    /// Returns the peak RSS of the server, in bytes.
    pub fn peak_rss(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Returns the RSS of the server, in bytes.
    pub fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
