//! Requests of resumable uploads (draft-ietf-httpbis-resumable-upload), by curl.

use std::{collections::HashMap, fs, path::Path, process::Command};

use serde_json::Value;

use super::{server::Server, text};

/// The hidden folder of incomplete uploads.
pub const HIDDEN: &str = ".longhaul-partial";

/// Returns content in which any two parts differ.
pub fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i ^ (i >> 7)) as u8).collect()
}

/// Starts a server that saves uploads in a folder.
pub fn saving(folder: &Path, args: &[&str]) -> Server {
    let sink = format!("save:{}", folder.display());
    Server::start(&[&["--sink", sink.as_str()], args].concat())
}

/// Returns the number of files of incomplete uploads.
pub fn hidden(folder: &Path) -> usize {
    fs::read_dir(folder.join(HIDDEN)).map_or(0, Iterator::count)
}

/// A response, as curl received it.
pub struct Answer {
    pub status: u16,
    pub fields: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Makes a request by curl.
pub fn curl(args: &[&str]) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let (head, body) = (folder.path().join("head"), folder.path().join("body"));
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "20", "-w", "%{http_code}", "-D"]).arg(&head).arg("-o").arg(&body).args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    let head = fs::read_to_string(head).unwrap();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    Answer {
        status: text(&output.stdout).parse().unwrap(),
        fields: fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
        body: fs::read_to_string(body).unwrap_or_default(),
    }
}

/// Creates an upload without content, and returns the URL of its resource.
pub fn create(server: &Server, path: &str, fields: &[&str]) -> Answer {
    let url = server.url(false, path);
    let mut args = vec!["-X", "POST", &url, "-H", "Upload-Complete: ?0", "-H", "Content-Length: 0"];
    for field in fields {
        args.extend(["-H", field]);
    }
    curl(&args)
}

/// Appends a file to an upload.
pub fn append(url: &str, offset: u64, complete: &str, file: &Path, fields: &[&str]) -> Answer {
    let (data, offset) = (format!("@{}", file.display()), format!("Upload-Offset: {offset}"));
    let complete = format!("Upload-Complete: {complete}");
    let mut args = vec!["-X", "PATCH", url, "-H", "Content-Type: application/partial-upload"];
    args.extend(["-H", &complete, "-H", &offset, "--data-binary", &data]);
    for field in fields {
        args.extend(["-H", field]);
    }
    curl(&args)
}
