//! The lines that set a window in the configuration of libraries and servers.

use record::{H2_WINDOW, LimitValue, Protocol};
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

/// The largest window that `HTTP2Config` of Go's net/http accepts, in bytes: its windows must be below 4 MiB.
const GO_MOST: u64 = (4 << 20) - 1;

/// Returns the lines that set a window of `window` bytes for a protocol with HTTP. For HTTP/1.1, they set socket
/// buffers of `socket` bytes.
pub fn setting_lines(protocol: &Protocol, window: u64, socket: u64) -> Vec<SettingLine> {
    let line = |of, line: String, source| SettingLine { of, line, source };
    match protocol.http() {
        Some("2") => [adaptive(window)].into_iter().flatten().chain([
            line(
                "hyper",
                format!(
                    "http2::Builder: .initial_stream_window_size({window}).initial_connection_window_size({window})"
                ),
                "hyper 1.12, server::conn::http2 and client::conn::http2",
            ),
            line(
                "h2",
                format!("Builder: .initial_window_size({window}).initial_connection_window_size({window})"),
                "h2 0.4, server::Builder and client::Builder",
            ),
            line(
                "nginx",
                format!(
                    "proxy_request_buffering off; client_body_buffer_size {window};  # the window of a request; with buffering on, nginx ends flow control and writes the body to a file"
                ),
                "nginx src/http/v2/ngx_http_v2.c, ngx_http_v2_read_request_body",
            ),
            caddy("net/http's HTTP2Config has no place in a Caddyfile"),
            go_http2(window),
        ]).collect(),
        Some("3") => vec![
            line(
                "quinn",
                format!(
                    "TransportConfig: .stream_receive_window({window}u32.into()).receive_window({window}u32.into()).send_window({window})"
                ),
                "quinn-proto 0.11, config/transport.rs",
            ),
            line(
                "nginx",
                format!("http3_stream_buffer_size {window};"),
                "nginx.org/en/docs/http/ngx_http_v3_module.html",
            ),
            caddy("it leaves quic-go's windows as they are: 512 KiB at first, up to 6 MB a stream"),
            line(
                "Go (quic-go)",
                format!(
                    "quic.Config{{MaxStreamReceiveWindow: {window}, MaxConnectionReceiveWindow: {window}}}"
                ),
                "quic-go, interface.go",
            ),
        ],
        _ => {
            let port = if protocol.is_encrypted() { "443 ssl" } else { "80" };
            let own = "TCP's window is the kernel's: SO_RCVBUF and SO_SNDBUF, before listen() or connect()";
            vec![
                line(
                    "Linux",
                    format!(
                        "sysctl net.ipv4.tcp_rmem='4096 131072 {0}' net.ipv4.tcp_wmem='4096 16384 {0}'  # adapts up to it",
                        KERNEL.saturating_mul(socket)
                    ),
                    "tcp(7)",
                ),
                line(
                    "hyper",
                    format!("{own}: socket2's set_recv_buffer_size({socket})"),
                    "socket(7), socket2",
                ),
                line(
                    "nginx",
                    format!("listen {port} rcvbuf={socket} sndbuf={socket};"),
                    "nginx.org/en/docs/http/ngx_http_core_module.html#listen",
                ),
                caddy("it leaves sockets to the kernel, so the sysctl above counts"),
                line(
                    "Go",
                    format!("(*net.TCPConn).SetReadBuffer({socket}) and SetWriteBuffer({socket})"),
                    "pkg.go.dev/net",
                ),
            ]
        }
    }
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
    Some(SettingLine { of: "longhaul", line, source: "docs/explanation/memory.md" })
}

fn caddy(reason: &str) -> SettingLine {
    let line = format!("none: {reason}");
    SettingLine { of: "Caddy", line, source: "caddyserver.com/docs/caddyfile/options" }
}

fn go_http2(window: u64) -> SettingLine {
    let source = "pkg.go.dev/net/http#HTTP2Config, pkg.go.dev/golang.org/x/net/http2#Server";
    let line = match window <= GO_MOST {
        true => format!(
            "http.HTTP2Config{{MaxReceiveBufferPerStream: {window}, MaxReceiveBufferPerConnection: {window}}}"
        ),
        false => format!(
            "golang.org/x/net/http2.Server{{MaxUploadBufferPerStream: {window}, MaxUploadBufferPerConnection: {window}}}  # net/http's HTTP2Config takes less than 4 MiB"
        ),
    };
    SettingLine { of: "Go", line, source }
}

#[cfg(test)]
mod tests {
    use record::PROTOCOLS;

    use super::*;

    #[test]
    fn every_protocol_with_http_has_lines_that_state_its_bytes_and_their_source() {
        for protocol in PROTOCOLS.iter().filter(|protocol| protocol.is_http()) {
            let lines = setting_lines(protocol, 123_456, 78_910);
            let with_bytes = |line: &&SettingLine| {
                ["123456", "78910", "157820"].iter().any(|bytes| line.line.contains(bytes))
            };
            assert!(lines.iter().filter(with_bytes).count() >= 3, "{}", protocol.name);
            assert!(lines.iter().all(|line| !line.source.is_empty()));
            let has_tls = lines.iter().any(|line| line.line.contains(" ssl "));
            assert!(!has_tls || protocol.is_encrypted(), "{}", protocol.name);
        }
    }

    #[test]
    fn a_window_that_can_adapt_is_the_bound_of_its_line() {
        let first = |window| setting_lines(Protocol::by_name("h2c").unwrap(), window, 1).remove(0).line;
        assert!(first(3 << 20).starts_with("--h2-window auto:3MiB "), "{}", first(3 << 20));
        assert!(!first(32 << 10).contains("auto"), "{}", first(32 << 10));
    }

    #[test]
    fn a_window_that_net_http_refuses_has_another_line() {
        let go =
            |window| setting_lines(record::Protocol::by_name("h2").unwrap(), window, 1).pop().unwrap().line;
        assert!(go(4 << 20).contains("http2.Server") && !go(1 << 20).contains("http2.Server"));
    }
}
