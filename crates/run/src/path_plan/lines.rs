//! The lines that set a window in the configuration of libraries and servers.

use record::{End, H2_WINDOW, LimitValue, Protocol};
use serde::Serialize;

/// A line of configuration or source code, and the document that defines it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SettingLine {
    /// The library, server or program that takes the line.
    pub of: &'static str,
    /// The line, or the reason why none exists.
    pub line: String,
    /// The documentation or source file that defines the setting.
    pub source: &'static str,
}

impl SettingLine {
    fn new(of: &'static str, line: impl Into<String>, source: &'static str) -> Self {
        Self { of, line: line.into(), source }
    }

    /// Returns the line of a program without such a setting. `reason` states what it does instead.
    fn none(of: &'static str, reason: &str, source: &'static str) -> Self {
        Self::new(of, format!("none: {reason}"), source)
    }
}

/// The windows that `HTTP2Config` of Go's net/http accepts, in bytes: at least 64 KiB for a connection, and below 4 MiB.
const GO_LEAST: u64 = 64 << 10;
const GO_MOST: u64 = (4 << 20) - 1;

/// The default of nginx's http2_body_preread_size in bytes. The window of a request is never smaller.
const NGINX_PREREAD: u64 = 64 << 10;

/// Linux's default of net.core.rmem_max and net.core.wmem_max in bytes (socket(7)).
const SOCKET_MOST: u64 = 212_992;

const CADDYFILE: &str = "caddyserver.com/docs/caddyfile/options";

/// Returns the lines that bound what a stalled reader holds at `end` to `window` bytes, for a protocol with HTTP: the
/// receive window of a receiver, or the send buffer of a sender. For HTTP/1.1, they set socket buffers of `socket`
/// bytes.
pub fn setting_lines(protocol: &Protocol, end: End, window: u64, socket: u64) -> Vec<SettingLine> {
    match (protocol.http(), end) {
        (Some("2"), End::Receiver) => adaptive(window).into_iter().chain(http2_windows(window)).collect(),
        (Some("2"), End::Sender) => http2_send_buffers(window),
        (Some("3"), End::Receiver) => http3_windows(window),
        (Some("3"), End::Sender) => http3_send_buffers(window),
        _ => socket_buffers(protocol, end, socket),
    }
}

fn http2_windows(window: u64) -> [SettingLine; 5] {
    let preread =
        if window < NGINX_PREREAD { format!("http2_body_preread_size {window}; ") } else { String::new() };
    [
        SettingLine::new(
            "hyper",
            format!(
                "http2::Builder: .initial_stream_window_size({window}).initial_connection_window_size({window})"
            ),
            "hyper 1.12, server::conn::http2 and client::conn::http2",
        ),
        SettingLine::new(
            "h2",
            format!("Builder: .initial_window_size({window}).initial_connection_window_size({window})"),
            "h2 0.4, server::Builder and client::Builder",
        ),
        SettingLine::new(
            "nginx",
            format!(
                "{preread}proxy_request_buffering off; client_body_buffer_size {window};  # the window of a request; with buffering on, nginx ends flow control and writes the body to a file"
            ),
            "nginx src/http/v2/ngx_http_v2.c, ngx_http_v2_read_request_body",
        ),
        SettingLine::none("Caddy", "net/http's HTTP2Config has no place in a Caddyfile", CADDYFILE),
        go_http2(window),
    ]
}

fn http2_send_buffers(window: u64) -> Vec<SettingLine> {
    vec![
        SettingLine::new(
            "hyper",
            format!("http2::Builder: .max_send_buf_size({window})  # of each stream"),
            "hyper 1.12, server::conn::http2 and client::conn::http2",
        ),
        SettingLine::new(
            "h2",
            format!("Builder: .max_send_buffer_size({window})  # of each stream"),
            "h2 0.4, server::Builder and client::Builder",
        ),
        nginx_output(),
        go_output("Caddy"),
        go_output("Go"),
    ]
}

fn http3_windows(window: u64) -> Vec<SettingLine> {
    vec![
        SettingLine::new(
            "quinn",
            format!(
                "TransportConfig: .stream_receive_window({window}u32.into()).receive_window({window}u32.into())"
            ),
            "quinn-proto 0.11, config/transport.rs",
        ),
        nginx_http3(window),
        SettingLine::none(
            "Caddy",
            "it leaves quic-go's windows as they are: 512 KiB at first, up to 6 MB a stream",
            CADDYFILE,
        ),
        SettingLine::new(
            "Go (quic-go)",
            format!(
                "quic.Config{{InitialStreamReceiveWindow: {window}, MaxStreamReceiveWindow: {window}, InitialConnectionReceiveWindow: {window}, MaxConnectionReceiveWindow: {window}}}"
            ),
            "quic-go, interface.go",
        ),
    ]
}

fn http3_send_buffers(window: u64) -> Vec<SettingLine> {
    let waits = "a write waits until its bytes are in packets";
    vec![
        SettingLine::new(
            "quinn",
            format!("TransportConfig: .send_window({window})"),
            "quinn-proto 0.11, config/transport.rs",
        ),
        nginx_http3(window),
        SettingLine::none("Caddy", waits, "quic-go, send_stream.go"),
        SettingLine::none("Go (quic-go)", waits, "quic-go, send_stream.go"),
    ]
}

fn nginx_http3(window: u64) -> SettingLine {
    let source = "nginx.org/en/docs/http/ngx_http_v3_module.html";
    SettingLine::new("nginx", format!("http3_stream_buffer_size {window};"), source)
}

fn nginx_output() -> SettingLine {
    let reason = "output_buffers bounds what a file's reader holds, 2 of 32 KiB by default";
    SettingLine::none("nginx", reason, "nginx.org/en/docs/http/ngx_http_core_module.html#output_buffers")
}

fn go_output(of: &'static str) -> SettingLine {
    let reason = "a handler's write waits for credit, and 4 KiB of its bytes are kept";
    SettingLine::none(of, reason, "golang.org/x/net/http2/server.go, handlerChunkWriteSize")
}

/// Returns the lines for the socket buffers of `end`. TCP's window is that of the kernel.
fn socket_buffers(protocol: &Protocol, end: End, socket: u64) -> Vec<SettingLine> {
    let port = if protocol.is_encrypted() { "443 ssl" } else { "80" };
    let names = match end {
        End::Receiver => SocketNames::RECEIVE,
        End::Sender => SocketNames::SEND,
    };
    let most = KERNEL.saturating_mul(socket);
    let SocketNames { sysctl, default, option, setter, nginx, go, .. } = names;
    let linux = format!("sysctl net.ipv4.{sysctl}='4096 {} {most}'  # adapts up to it", default.min(most));
    let own = format!("TCP's buffer is the kernel's: {option}, before listen() or connect()");
    let cap = (socket > SOCKET_MOST).then(|| {
        let cap = format!("sysctl net.core.{}={socket}  # a larger {option} is cut to it", names.cap);
        SettingLine::new("Linux", cap, "socket(7)")
    });
    [SettingLine::new("Linux", linux, "tcp(7)")]
        .into_iter()
        .chain(cap)
        .chain([
            SettingLine::new("hyper", format!("{own}: socket2's {setter}({socket})"), "socket(7), socket2"),
            SettingLine::new(
                "nginx",
                format!("listen {port} {nginx}={socket};"),
                "nginx.org/en/docs/http/ngx_http_core_module.html#listen",
            ),
            SettingLine::none(
                "Caddy",
                "it leaves sockets to the kernel, so the first sysctl counts",
                CADDYFILE,
            ),
            SettingLine::new("Go", format!("(*net.TCPConn).{go}({socket})"), "pkg.go.dev/net"),
        ])
        .collect()
}

/// The names of the settings of a socket's buffer in one direction.
struct SocketNames {
    /// The sysctl of the size that adapts, and its default in bytes (tcp(7)).
    sysctl: &'static str,
    default: u64,
    /// The sysctl that bounds `option`.
    cap: &'static str,
    option: &'static str,
    /// The function of socket2, the parameter of nginx, and the method of Go.
    setter: &'static str,
    nginx: &'static str,
    go: &'static str,
}

impl SocketNames {
    const RECEIVE: Self = Self {
        sysctl: "tcp_rmem",
        default: 131_072,
        cap: "rmem_max",
        option: "SO_RCVBUF",
        setter: "set_recv_buffer_size",
        nginx: "rcvbuf",
        go: "SetReadBuffer",
    };
    const SEND: Self = Self {
        sysctl: "tcp_wmem",
        default: 16_384,
        cap: "wmem_max",
        option: "SO_SNDBUF",
        setter: "set_send_buffer_size",
        nginx: "sndbuf",
        go: "SetWriteBuffer",
    };
}

/// The bytes of tcp_rmem for each byte of window: half of a receive buffer is overhead (tcp(7), tcp_adv_win_scale).
const KERNEL: u64 = 2;

/// Returns the line that makes longhaul's window adapt to the path, up to `window` bytes; `None` if `window` is too
/// small to adapt.
fn adaptive(window: u64) -> Option<SettingLine> {
    let value = LimitValue::AutoWithin(window);
    H2_WINDOW.check(&value).ok()?;
    let line =
        format!("--{} {value}  # in place of it: follows each path, up to the same memory", H2_WINDOW.flag);
    Some(SettingLine::new("longhaul", line, "docs/explanation/memory.md"))
}

fn go_http2(window: u64) -> SettingLine {
    let source = "pkg.go.dev/net/http#HTTP2Config, pkg.go.dev/golang.org/x/net/http2#Server";
    let connection = window.max(GO_LEAST);
    let line = match window <= GO_MOST {
        true => format!(
            "http.HTTP2Config{{MaxReceiveBufferPerStream: {window}, MaxReceiveBufferPerConnection: {connection}}}"
        ),
        false => format!(
            "golang.org/x/net/http2.Server{{MaxUploadBufferPerStream: {window}, MaxUploadBufferPerConnection: {window}}}  # net/http's HTTP2Config takes less than 4 MiB"
        ),
    };
    SettingLine::new("Go", line, source)
}

#[cfg(test)]
mod tests {
    use record::PROTOCOLS;

    use super::*;

    fn lines(protocol: &str, end: End, window: u64) -> Vec<SettingLine> {
        setting_lines(Protocol::by_name(protocol).unwrap(), end, window, window)
    }

    fn line_of(of: &str, lines: &[SettingLine]) -> String {
        lines.iter().rfind(|line| line.of == of).unwrap().line.clone()
    }

    #[test]
    fn every_protocol_with_http_has_lines_that_state_its_bytes_and_their_source() {
        for protocol in PROTOCOLS.iter().filter(|protocol| protocol.is_http()) {
            for (end, fewest) in [(End::Receiver, 3), (End::Sender, 2)] {
                let lines = setting_lines(protocol, end, 123_456, 78_910);
                let with_bytes = |line: &&SettingLine| {
                    ["123456", "78910", "157820"].iter().any(|bytes| line.line.contains(bytes))
                };
                assert!(lines.iter().filter(with_bytes).count() >= fewest, "{} {end:?}", protocol.name);
                assert!(lines.iter().all(|line| !line.source.is_empty()));
                let has_tls = lines.iter().any(|line| line.line.contains(" ssl "));
                assert!(!has_tls || protocol.is_encrypted(), "{}", protocol.name);
            }
        }
    }

    #[test]
    fn a_sender_sets_send_buffers_and_no_windows() {
        assert!(line_of("hyper", &lines("h2", End::Sender, 70_000)).contains(".max_send_buf_size(70000)"));
        assert!(line_of("quinn", &lines("h3", End::Sender, 70_000)).contains(".send_window(70000)"));
        assert!(line_of("Linux", &lines("h1", End::Sender, 70_000)).contains("tcp_wmem='4096 16384 140000'"));
        for protocol in ["h1", "h2", "h3"] {
            for line in lines(protocol, End::Sender, 70_000) {
                assert!(!line.line.to_lowercase().contains("receive"), "{protocol}: {}", line.line);
            }
        }
    }

    #[test]
    fn settings_that_have_floors_and_caps_get_values_in_force() {
        let narrow = lines("h2", End::Receiver, 48 << 10);
        assert!(line_of("Go", &narrow).contains("MaxReceiveBufferPerConnection: 65536"));
        assert!(line_of("nginx", &narrow).starts_with("http2_body_preread_size 49152; "));
        assert!(!line_of("nginx", &lines("h2", End::Receiver, 64 << 10)).contains("preread"));
        let quic_go = line_of("Go (quic-go)", &lines("h3", End::Receiver, 51_200));
        assert!(quic_go.contains("InitialStreamReceiveWindow: 51200"), "{quic_go}");
        let default_beyond_most = &lines("h1", End::Receiver, 17_408)[0].line;
        assert!(default_beyond_most.contains("tcp_rmem='4096 34816 34816'"), "{default_beyond_most}");
        let large = lines("h1c", End::Receiver, 10_000_384);
        assert!(line_of("Linux", &large).starts_with("sysctl net.core.rmem_max=10000384 "));
    }

    #[test]
    fn a_window_that_can_adapt_is_the_bound_of_its_line() {
        let first = |window| lines("h2c", End::Receiver, window).remove(0).line;
        assert!(first(3 << 20).starts_with("--h2-window auto:3MiB "), "{}", first(3 << 20));
        assert!(!first(32 << 10).contains("auto"), "{}", first(32 << 10));
    }

    #[test]
    fn a_window_that_net_http_refuses_has_another_line() {
        let go = |window| line_of("Go", &lines("h2", End::Receiver, window));
        assert!(go(4 << 20).contains("http2.Server") && !go(1 << 20).contains("http2.Server"));
    }
}
