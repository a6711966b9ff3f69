//! Advice on a failed handshake: the flag that may help. The errors of libraries do not name flags.

use record::{Fault, FaultKind, PROTOCOLS};

use crate::{Proxy, Target};

/// Parts of the messages of rustls and of the carriers, each with the advice on a flag.
const ADVICE: [(&str, &str); 10] = [
    // The verifier of a pinned certificate (longhaul-transport, verifier.rs).
    (
        "ApplicationVerificationFailure",
        "its SHA-256 is not that of --pin: `longhaul serve` prints the fingerprint of its certificate; --cacert FILE and --insecure are other ways",
    ),
    (
        "invalid peer certificate",
        "trust it by --cacert FILE or by --pin sha256:HEX, or accept any certificate by --insecure (-k)",
    ),
    ("certificate", "see --cacert, --pin and --insecure (-k)"),
    ("InvalidContentType", "this port does not seem to speak TLS: try http://, or the port that does"),
    ("ProtocolVersion", "the server may support only TLS 1.2: allow it by --tls12"),
    ("protocol version", "the server may support only TLS 1.2: allow it by --tls12"),
    ("ServerDoesNotSupportTls12Or13", "the server supports no secure version of TLS"),
    ("TLS 1.2", "allow it by --tls12"),
    // An HTTP/2 client writes before it reads. It may find the connection closed before it has read the alert with the
    // reason.
    ("broken pipe", ENDED),
    ("onnection reset", ENDED),
];

const ENDED: &str = "if the server demands a certificate, present one by --cert FILE and --key FILE";

/// Parts of the messages of rustls and quinn if a server requires a client certificate and gets none. With TLS 1.3, the
/// alert arrives after the client has completed its handshake (RFC 8446 section 4.4.2.4).
const CERTIFICATE_REQUIRED: [&str; 3] = ["CertificateRequired", "certificate required", "error 116"];

/// Returns the message of a fault, with the proxy that may have answered, followed by the flag that may help, if there is
/// one.
pub(crate) fn with_advice(fault: &Fault, target: &Target, proxy: Option<&Proxy>) -> String {
    let message = match proxy {
        Some(proxy) if fault.kind == FaultKind::Http => &format!("{} (through {proxy})", fault.message),
        _ => &fault.message,
    };
    if message.contains(PROXY_AUTHENTICATION) {
        return format!("{message}; give credentials of the proxy by --proxy-user USER:PASSWORD");
    }
    if CERTIFICATE_REQUIRED.iter().any(|part| message.contains(part)) {
        return format!("{message}; present a certificate by --cert FILE and --key FILE");
    }
    if message.contains(NOT_HTTP) && !target.protocol().is_encrypted() {
        return format!("{message}; this port may speak TLS: try https://, or the port without TLS");
    }
    if fault.kind != FaultKind::Handshake {
        return message.clone();
    }
    let lowered = message.to_lowercase();
    if lowered.contains("application protocol") || lowered.contains("applicationprotocol") {
        return format!("{message}; {}", other_protocols(target));
    }
    match ADVICE.iter().find(|(part, flag)| message.contains(part) && !message.contains(flag)) {
        Some((_, advice)) => format!("{message}; {advice}"),
        None => message.clone(),
    }
}

/// The message of hyper for an answer that does not begin as HTTP/1 does (`Parse::Version` in its `error.rs`): a server
/// with TLS answers with an alert.
const NOT_HTTP: &str = "invalid HTTP version parsed";

/// The status of a proxy that asks for credentials.
const PROXY_AUTHENTICATION: &str = "407 Proxy Authentication Required";

/// Returns the names of the protocols that the server may speak instead of the requested one.
fn other_protocols(target: &Target) -> String {
    let own = target.protocol();
    let others = PROTOCOLS
        .iter()
        .filter(|row| row.is_http() && row.scheme() == own.scheme() && row.http() != own.http());
    let names: Vec<_> = others.map(|row| row.name).collect();
    format!("try --protocol {}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failed_handshake_names_its_flag() {
        let target = Target::parse("https://x/").unwrap();
        let advised = |kind, message: &str| with_advice(&Fault::new(kind, message), &target, None);
        for (message, flags) in [
            ("invalid peer certificate: UnknownIssuer", &["--cacert", "--pin", "--insecure"][..]),
            ("bad certificate", &["--cacert", "--pin", "--insecure"]),
            ("invalid peer certificate: ApplicationVerificationFailure", &["not that of --pin", "--cacert"]),
            ("received corrupt message of type InvalidContentType", &["http://"]),
            ("received fatal alert: ProtocolVersion", &["--tls12"]),
            ("the application protocol is none, not h2", &["--protocol h1 or h3"]),
            ("received fatal alert: NoApplicationProtocol", &["--protocol h1"]),
        ] {
            let text = advised(FaultKind::Handshake, message);
            assert!(text.starts_with(message) && flags.iter().all(|flag| text.contains(flag)), "{text}");
        }
        let answer = "the server stopped taking the request: invalid HTTP version parsed";
        let cleartext = Target::parse("http://x/").unwrap();
        let text = with_advice(&Fault::new(FaultKind::Http, answer), &cleartext, None);
        assert!(text.starts_with(answer) && text.contains("try https://"), "{text}");
        assert_eq!(advised(FaultKind::Http, answer), answer, "TLS is spoken already");
        for message in ["handshake failed: connection reset", "invalid peer certificate"] {
            assert_eq!(advised(FaultKind::Protocol, message), message);
        }
    }
}
