//! The lines of a plan name settings that exist: those of Rust compile, nginx reads its own, and the fields of Go are in a program
//! that has them.

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::Value;

use super::{LONG, plan};
use crate::common::{peers, ports::free_port, skip, text, transfer::self_signed};

/// A size in the code below, where a line has a number.
const SIZE: u32 = 1 << 20;

/// Compiles calls of methods, and returns their text.
macro_rules! compiled {
    ($object:expr, $($calls:tt)+) => {{
        let mut object = $object;
        let _ = object.$($calls)+;
        concat!(".", stringify!($($calls)+))
    }};
}

/// Returns the lines of a plan for an end and a protocol: the program, and its line.
fn lines(end: &str, protocol: &str) -> Vec<(String, String)> {
    let plan = plan(&[&LONG[..], &["--memory", "64GiB", "--protocol", protocol, "--end", end]].concat());
    let lines = plan["protocols"][0]["lines"].as_array().unwrap();
    let word = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines.iter().map(|line| (word(line, "of"), word(line, "line"))).collect()
}

/// Returns a line without its comment.
fn line(end: &str, protocol: &str, of: &str) -> String {
    let line = lines(end, protocol).into_iter().find(|(program, _)| program == of);
    let line = line.expect("a line of this program").1;
    line.split("  #").next().unwrap().to_owned()
}

/// Returns code with SIZE in the place of each number, and without spaces.
fn shape(code: &str) -> String {
    let mut shape = String::new();
    let mut rest = code;
    while let Some(at) = rest.find('(') {
        let (before, after) = rest.split_at(at + 1);
        shape.push_str(before);
        let number = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
        let after_number = &after[number..];
        let is_number = number > 0;
        shape.push_str(if is_number { "SIZE" } else { "" });
        rest = if is_number { after_number.strip_prefix("u32").unwrap_or(after_number) } else { after };
    }
    shape.push_str(rest);
    shape.split_whitespace().collect()
}

#[test]
fn the_lines_of_rust_compile() {
    let h2 =
        compiled!(h2::server::Builder::new(), initial_window_size(SIZE).initial_connection_window_size(SIZE));
    let of_client =
        compiled!(h2::client::Builder::new(), initial_window_size(SIZE).initial_connection_window_size(SIZE));
    assert_eq!(h2, of_client);
    let h2_sender = compiled!(h2::server::Builder::new(), max_send_buffer_size(SIZE as usize));
    let of_client = compiled!(h2::client::Builder::new(), max_send_buffer_size(SIZE as usize));
    assert_eq!(h2_sender, of_client);
    let quinn = compiled!(
        quinn::TransportConfig::default(),
        stream_receive_window(SIZE.into()).receive_window(SIZE.into())
    );
    let quinn_sender = compiled!(quinn::TransportConfig::default(), send_window(SIZE.into()));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(SIZE as usize).unwrap();
    socket2::SockRef::from(&socket).set_send_buffer_size(SIZE as usize).unwrap();
    for (line, code) in [
        (line("receiver", "h2", "h2"), h2),
        (line("sender", "h2", "h2"), h2_sender),
        (line("receiver", "h3", "quinn"), quinn),
        (line("sender", "h3", "quinn"), quinn_sender),
    ] {
        // The arguments of the lines are numbers, and those of the code have the type of the method.
        let code = code.replace("SIZE as usize", "SIZE").replace("SIZE.into()", "SIZE");
        let line = line.replace("u32.into()", "");
        assert!(shape(&line).ends_with(&shape(&code)), "{line}: {code}");
    }
    assert!(shape(&line("receiver", "h1", "hyper")).ends_with("socket2'sset_recv_buffer_size(SIZE)"));
    assert!(shape(&line("sender", "h1", "hyper")).ends_with("socket2'sset_send_buffer_size(SIZE)"));
}

/// hyper is part of longhaul without its HTTP/2, so that its methods are looked up in its source.
#[test]
fn the_methods_of_hyper_are_in_its_source() {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let host = text(&rustc.stdout).lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Packages of other platforms may not have been downloaded.
    let args = ["metadata", "--offline", "--format-version", "1", "--filter-platform", &host.unwrap()];
    let output = Command::new(cargo).args(args).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let hyper = packages.iter().find(|package| package["name"] == "hyper").unwrap();
    let folder = PathBuf::from(hyper["manifest_path"].as_str().unwrap());
    let lines = ["receiver", "sender"].map(|end| line(end, "h2", "hyper"));
    let calls = lines.iter().flat_map(|line| line.split('.').skip(1));
    let methods: Vec<&str> = calls.map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(methods.len(), 3, "{lines:?}");
    for end in ["server", "client"] {
        let source =
            fs::read_to_string(folder.with_file_name("src").join(end).join("conn/http2.rs")).unwrap();
        for method in &methods {
            assert!(source.contains(&format!("pub fn {method}(&mut self")), "{end}: {method}");
        }
    }
}

#[test]
fn nginx_reads_its_lines() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path());
    let check = |lines: &str| {
        let secret =
            format!("ssl_certificate {};\n ssl_certificate_key {};", certificate.display(), key.display());
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let own =
            kinds.map(|kind| format!("{kind}_temp_path {}/{kind};", folder.path().display())).join("\n ");
        let config = format!(
            "events {{}}\nhttp {{\n access_log off;\n {own}\n server {{\n {secret}\n {lines}\n}} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Command::new(peers.join("bin/nginx"));
        nginx.args(["-t", "-g", "error_log stderr; pid nginx.pid;", "-c"]);
        nginx.arg(folder.path().join("nginx.conf")).arg("-p").arg(folder.path()).output().unwrap()
    };
    let listen = format!("listen {} ", free_port());
    let of_http1 = |end| line(end, "h1", "nginx").replace("listen 443 ", &listen);
    let of_http2 =
        format!("{listen} ssl http2;\n http2_body_preread_size 49152; {}", line("receiver", "h2", "nginx"));
    for lines in [of_http1("receiver"), of_http1("sender"), of_http2] {
        let output = check(&lines);
        assert!(output.status.success(), "{lines}: {}", text(&output.stderr));
    }
    assert!(!check("no_such_setting 1;").status.success());
    let lines = format!("{listen} ssl;\n {}", line("receiver", "h3", "nginx"));
    let version = Command::new(peers.join("bin/nginx")).arg("-V").output().unwrap();
    match text(&version.stderr).contains("http_v3_module") {
        true => assert!(check(&lines).status.success(), "{lines}"),
        false => skip("nginx is built without http_v3_module, which http3_stream_buffer_size needs"),
    }
}

/// Caddy is a program of Go with net/http, golang.org/x/net/http2 and quic-go, whose fields are in its type information.
#[test]
fn the_fields_of_go_are_in_a_program_of_go() {
    let Some(peers) = peers() else { return };
    let program = fs::read(peers.join("bin/caddy")).unwrap();
    let is_named = |name: &str| program.windows(name.len()).any(|bytes| bytes == name.as_bytes());
    let short = ["--rate", "100Mbit", "--rtt", "80ms", "--memory", "64GiB", "--protocol", "h2"];
    let short = plan(&short)["protocols"][0]["lines"].to_string();
    assert!(short.contains("http.HTTP2Config{"), "{short}");
    let of_receiver = [("h2", "Go"), ("h3", "Go (quic-go)"), ("h1", "Go")];
    let of_receiver = of_receiver.map(|(protocol, of)| line("receiver", protocol, of)).concat();
    let all = [short, of_receiver, line("sender", "h1", "Go")].concat();
    let words = all.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_field = |word: &&str| ["Initial", "Max", "Set"].iter().any(|start| word.starts_with(start));
    let fields: Vec<&str> = words.filter(is_field).collect();
    assert!(fields.len() >= 10, "{fields:?}");
    for field in fields {
        assert!(is_named(field), "{field}");
    }
}

#[test]
fn the_sysctls_of_linux_exist() {
    for end in ["receiver", "sender"] {
        let lines = lines(end, "h1");
        let of_linux = lines.iter().filter(|(of, _)| of == "Linux");
        let names: Vec<&str> = of_linux
            .filter_map(|(_, line)| line.strip_prefix("sysctl ")?.split_once('='))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 2, "{lines:?}");
        for (name, count) in names.into_iter().zip([3, 1]) {
            let values = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap();
            assert_eq!(values.split_whitespace().count(), count, "{name}");
        }
    }
}
