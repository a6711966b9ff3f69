//! Tests of peers: the table of definitions, and command lines of the user.

use std::collections::BTreeSet;

use record::{ByteSize, PROTOCOLS};

use super::*;

fn parse(text: &str) -> Peer {
    Peer::parse(text).unwrap()
}

/// Returns values that show the names of their placeholders.
fn values() -> Vec<Value> {
    let names =
        ["url", "host", "port", "cacert", "cert", "key", "folder", "root", "file", "size", "n", "longhaul"];
    names.map(|name| (name, format!("<{name}>"))).into()
}

#[test]
fn every_definition_is_complete_and_every_placeholder_is_known() {
    let names: BTreeSet<_> = Peer::names().into_iter().collect();
    assert_eq!(names.len(), PEERS.len(), "names are unique");
    for definition in PEERS {
        let peer = Peer::of(definition);
        assert!(!definition.speech.is_empty() && definition.up.or(definition.down).is_some(), "{peer}");
        assert!(!definition.remedy.is_empty() && !definition.remark.is_empty(), "{peer}");
        for speech in definition.speech {
            let protocol = Protocol::by_name(speech.protocol).unwrap();
            assert!(protocol.is_http() && peer.speaks(protocol), "{peer} {}", protocol.name);
            for direction in [Direction::Up, Direction::Down] {
                let mut case = Case::new(protocol.name);
                case.direction = direction;
                let mut text = peer.words(&case, &values()).join(" ");
                let configs = peer.files(&case, &values());
                text.extend(
                    configs.iter().filter(|(name, _)| !name.ends_with(".py")).map(|(_, text)| text.as_str()),
                );
                let open = [
                    "{protocol",
                    "{listen",
                    "{identity",
                    "{scheme",
                    "{port",
                    "{url",
                    "{root",
                    "{cert",
                    "{key",
                    "{longhaul",
                ];
                assert!(!open.iter().any(|open| text.contains(open)), "{peer}: {text}");
                if peer.carries(direction) && definition.role == Subject::Client {
                    assert!(text.contains("<url>"), "{peer}: {text}");
                    assert_eq!(text.contains("<file>"), direction == Direction::Up, "{peer}: {text}");
                }
            }
        }
    }
}

#[test]
fn the_words_of_a_protocol_stand_in_the_command_line() {
    let curl = parse("curl");
    let up = curl.words(&Case::new("h2"), &values());
    let expected =
        "curl -q --noproxy * -g -sS --fail --http2 --cacert <cacert> -H Expect: -T <file> -o /dev/null <url>";
    assert_eq!(up.join(" "), expected);
    let prior_knowledge = "--http2-prior-knowledge".to_owned();
    assert!(curl.words(&Case::new("h2c"), &values()).contains(&prior_knowledge));
    assert!(curl.command_line(Direction::Down).unwrap().contains("{protocol}"));
    assert_eq!(parse("caddy").command_line(Direction::Up), None);
    assert_eq!(parse("caddy").protocols(), ["h1c", "h2c", "h1", "h2", "h3"]);
}

#[test]
fn curl_reads_no_configuration_and_uses_no_proxy() {
    for direction in [Direction::Up, Direction::Down] {
        let mut case = Case::new("h1c");
        case.direction = direction;
        // Only as the first argument does -q have this effect.
        assert_eq!(parse("curl").words(&case, &values())[..4], ["curl", "-q", "--noproxy", "*"]);
    }
}

#[test]
fn configuration_files_have_paths_with_spaces_and_quotation_marks_as_one_string() {
    let folder = |peer: &str, name: &str| {
        let values = ["folder", "root", "cert", "key"].map(|name| (name, format!("/a \"b\"/{name}")));
        let files = parse(peer).files(&Case::new("h1"), &values);
        let [(file, text)] = &files[..] else { panic!("{peer}") };
        assert_eq!(*file, name);
        text.clone()
    };
    for peer in ["nginx", "nginx-without-sendfile"] {
        let text = folder(peer, "nginx.conf");
        for line in [
            r#"pid "/a \"b\"/folder/nginx.pid";"#,
            r#"root "/a \"b\"/root";"#,
            r#"ssl_certificate "/a \"b\"/cert"; ssl_certificate_key "/a \"b\"/key";"#,
        ] {
            assert!(text.lines().any(|own| own.trim() == line), "{peer}: {line}: {text}");
        }
        let is_quoted = |line: &&str| line.matches("/a ").count() == line.matches(" \"/a ").count();
        assert!(text.lines().all(|line| is_quoted(&line)), "{text}");
    }
    let text = folder("caddy", "Caddyfile");
    for line in [
        r#"storage file_system "/a \"b\"/folder/caddy""#,
        r#"tls "/a \"b\"/cert" "/a \"b\"/key""#,
        r#"root * "/a \"b\"/root""#,
    ] {
        assert!(text.lines().any(|own| own.trim() == line), "{line}: {text}");
    }
}

#[test]
fn scripts_are_those_of_the_example() {
    let example = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/python-upload/");
        std::fs::read_to_string(format!("{folder}{name}")).unwrap()
    };
    for (peer, name) in [("recipe-client", "client.py"), ("recipe-server", "server.py")] {
        let [(file, text)] = &parse(peer).files(&Case::new("h1c"), &values())[..] else { panic!("{peer}") };
        assert_eq!((*file, text), (name, &example(name)));
    }
}

#[test]
fn an_unknown_peer_lists_the_known_ones() {
    let error = Peer::parse("crul").unwrap_err().to_string();
    assert!(
        error.contains("'crul'") && error.contains("curl, h2load, nginx, nginx-without-sendfile, caddy"),
        "{error}"
    );
}

#[test]
fn placeholders_or_a_prefix_decide_the_role_of_a_command() {
    assert_eq!(parse("mine=wget -O /dev/null {url}").role(), Subject::Client);
    assert_eq!(parse("mine=./serve --port {port} {root}").role(), Subject::Server);
    assert_eq!(parse("mine=server:./serve {url} {port}").role(), Subject::Server);
    assert_eq!(parse("mine=client:nc {host} {port}").role(), Subject::Client);
    assert_eq!(parse("curl=my-curl {url}").words(&Case::new("h1c"), &values()), ["my-curl", "<url>"]);
    let error = |text: &str| Peer::parse(text).unwrap_err();
    assert_eq!(error("mine=ls"), PeerError::NoRole("mine".into()));
    assert_eq!(error("mine=client:ls"), PeerError::NoUrl("mine".into()));
    assert_eq!(error("mine= "), PeerError::Empty("mine".into()));
    assert_eq!(error("a b=x {url}"), PeerError::Name("a b".into()));
    assert!(matches!(error("mine=x '{url}"), PeerError::Quote(..)));
}

#[test]
fn placeholders_of_a_command_decide_what_it_can_carry() {
    let carried =
        |text: &str| [Direction::Up, Direction::Down].map(|direction| parse(text).carries(direction));
    assert_eq!(carried("mine=put {url} {file}"), [true, false]);
    assert_eq!(carried("mine=put {url} {size}"), [true, false]);
    assert_eq!(carried("mine=get {url}"), [false, true]);
    assert_eq!(carried("mine=serve {port}"), [true, true]);
    let encrypted = |text: &str| {
        let spoken = PROTOCOLS.iter().filter(|protocol| parse(text).speaks(protocol));
        spoken.map(Protocol::is_encrypted).collect::<BTreeSet<_>>()
    };
    assert_eq!(encrypted("mine=serve {port}"), [false].into());
    assert_eq!(encrypted("mine=serve {port} {cert} {key}"), [true].into());
    assert_eq!(encrypted("mine=get {url}"), [false, true].into());
    assert!(!parse("mine=get {url}").speaks(&PROTOCOLS[0]), "a baseline is no HTTP");
}

#[test]
fn the_path_of_a_request_is_the_one_that_the_program_insists_on() {
    let path = |peer: &str, direction| {
        let mut case = Case::new("h1c");
        (case.direction, case.body) = (direction, ByteSize(7));
        parse(peer).path(&case, "secret")
    };
    assert_eq!(path("curl", Direction::Up), "/secret");
    assert_eq!(path("recipe-client", Direction::Up), "/");
    assert_eq!(path("nginx", Direction::Up), "/upload.bin");
    assert_eq!(path("nginx", Direction::Down), "/7.bin");
    assert_eq!(path("recipe-server", Direction::Up), "/?file=upload.bin");
}
