//! Tests of names of cases, and of cases in records.

use super::*;
use crate::{H1_BUFFER, H2_FRAME, H2_WINDOW, LimitValue, Profile};

#[test]
fn the_name_is_short_at_defaults_and_has_every_other_axis() {
    let mut case = Case::new("h2");
    assert_eq!(case.key().to_string(), "h2/up/64KiB/2GiB");
    case.direction = Direction::Down;
    case.chunk = ChunkSize::try_from(65_563).unwrap();
    (case.connections, case.streams, case.threads) = (4, 8, 2);
    case.payload = PayloadKind::File("/tmp/some.iso".into());
    case.seed = 7;
    case.sink = SinkKind::Discard;
    case.reader_rate = Some(Rate::try_from(150 << 20).unwrap());
    case.reader_stall = Some(Duration::from_millis(2500));
    case.spin = Some(Duration::from_micros(50));
    case.limits.set(&H2_FRAME, LimitValue::Bytes(16 << 10)).unwrap();
    let expected = "h2/down/65563B/2GiB+c4s8+threads=2+payload=file:some.iso+seed=7+sink=discard+reader=150MiB+stall=2.5s+spin=50us+h2-frame=16KiB";
    assert_eq!(case.key().to_string(), expected);
    assert_eq!(case.total_bytes(), 64 << 30);
}

#[test]
fn a_limit_that_a_protocol_does_not_have_leaves_its_name_alone() {
    let mut case = Case::new("h1c");
    case.limits.set(&H2_WINDOW, LimitValue::Bytes(1 << 16)).unwrap();
    assert_eq!(case.key().to_string(), "h1c/up/64KiB/2GiB");
    case.limits.set(&H1_BUFFER, LimitValue::Bytes(1 << 16)).unwrap();
    assert_eq!(case.key().to_string(), "h1c/up/64KiB/2GiB+h1-buffer=64KiB");
}

#[test]
fn the_stock_profile_is_in_the_name_with_what_differs_from_it() {
    for name in ["tcp", "h1c", "h2", "quic", "h3"] {
        let mut case = Case::new(name);
        case.limits = Limits::of(Profile::Stock);
        assert!(case.is_stock() && !Case::new(name).is_stock(), "{name}");
        assert_eq!(case.key().to_string(), format!("{name}/up/64KiB/2GiB+profile=stock"));
        assert_eq!(case.key().without_protocol(), Case::new("h1").key().without_protocol());
    }
    let mut case = Case::new("h2c");
    case.limits = Limits::of(Profile::Stock);
    case.limits.set(&H2_WINDOW, LimitValue::Bytes(1 << 20)).unwrap();
    assert_eq!(case.key().variant(), "profile=stock+h2-window=1MiB");
    let mut case = Case::new("h2c");
    case.limits.set(&crate::H2_CORK, LimitValue::Choice("off".into())).unwrap();
    assert!(!case.is_stock());
    assert_eq!(case.key().variant(), "h2-cork=off");
    case.protocol = "tcp-ceiling".into();
    case.limits = Limits::of(Profile::Stock).with_all_layers();
    assert!(!case.is_stock());
}

#[test]
fn a_profile_is_in_the_name_if_all_limits_are_as_it_sets_them() {
    let of = |protocol: &str, profile| Case { limits: Limits::of(profile), ..Case::new(protocol) };
    assert_eq!(of("h2", Profile::Lean).key().variant(), "profile=lean");
    assert_eq!(of("h3", Profile::Fast).key().variant(), "profile=fast");
    assert_eq!(of("h1c", Profile::Lean).key().variant(), "profile=lean");
    let mut one = Case::new("h1c");
    one.limits.set(&H1_BUFFER, LimitValue::Bytes(64 << 10)).unwrap();
    assert_eq!(one.key().variant(), "h1-buffer=64KiB");
    let mut case = of("h2", Profile::Fast);
    case.limits.set(&H2_FRAME, LimitValue::Bytes(16 << 10)).unwrap();
    assert!(case.key().variant().starts_with("h2-frame=16KiB+h2-window=16MiB"), "{}", case.key());
    case.limits = Limits::for_any_peer(Profile::Lean);
    assert_eq!(case.towards_any_peer().key().variant(), "profile=lean");
}

#[test]
fn limits_that_earlier_versions_spelled_out_have_the_name_of_their_profile() {
    let mut case = Case { limits: Limits::of(Profile::Fast), sink: SinkKind::Discard, ..Case::new("h2") };
    let now = case.key();
    let earlier = "h2/up/64KiB/2GiB+sink=discard+h2-frame=1MiB+h2-window=16MiB+h2-send-buffer=1MiB";
    case.set_key(earlier.parse().ok());
    assert_ne!(case.key(), now);
    case.name_profile();
    assert_eq!(case.key(), now);
    case.name_profile();
    assert_eq!(case.key(), now);
}

#[test]
fn a_transfer_to_any_peer_has_the_defaults_of_such_transfers() {
    let mut case = Case::new("h1c");
    (case.limits, case.spin) = (Limits::for_any_peer(Profile::default()), None);
    assert_eq!(case.key().variant(), "congestion=auto+socket-buffer=auto");
    assert_eq!(case.clone().towards_any_peer().key().to_string(), "h1c/up/64KiB/2GiB");
    let mut earlier = case.clone();
    earlier.set_key(Some(case.key()));
    earlier.leave_out_defaults_for_any_peer();
    assert_eq!(earlier.key(), case.clone().towards_any_peer().key());
    case.limits.set(&crate::SOCKET_BUFFER, LimitValue::Bytes(256 << 10)).unwrap();
    assert_eq!(case.towards_any_peer().key().variant(), "socket-buffer=256KiB");
}

#[test]
fn a_slow_reader_at_a_quarter_has_no_rate_in_its_name() {
    let mut case = Case::new("h3");
    case.limits.set(&crate::SOCKET_BUFFER, LimitValue::Auto).unwrap();
    let slow = case.with_reader_at_a_quarter(Rate::try_from(179 << 20).unwrap());
    assert_eq!(slow.key().variant(), "reader=quarter");
    let read: Case = serde_json::from_str(&serde_json::to_string(&slow).unwrap()).unwrap();
    assert_eq!((read.key(), read.reader_rate), (slow.key(), slow.reader_rate));
}

#[test]
fn a_case_survives_its_json_and_keeps_the_name_under_which_it_was_recorded() {
    let mut case = Case::new("h3");
    case.limits.set(&crate::SOCKET_BUFFER, LimitValue::Auto).unwrap();
    (case.spin, case.reader_stall) = (Some(Duration::from_nanos(1)), Some(Duration::from_secs(5)));
    let json = serde_json::to_value(&case).unwrap();
    let read: Case = serde_json::from_value(json.clone()).unwrap();
    assert_eq!((read.key(), &read.limits, read.spin), (case.key(), &case.limits, case.spin));
    assert_eq!(read.reader_stall, case.reader_stall);
    let mut old = json;
    old["name"] = "h3/up/64KiB/2GiB+quic-window=1MiB".into();
    let read: Case = serde_json::from_value(old).unwrap();
    assert_eq!(read.key().axis("quic-window"), Some("1MiB"));
}

#[test]
fn a_case_from_a_record_has_a_new_name_once_it_is_changed() {
    let mut case = Case::new("h2");
    case.limits.set(&H2_FRAME, LimitValue::Bytes(16 << 10)).unwrap();
    let mut json = serde_json::to_value(&case).unwrap();
    let read: Case = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(read, case);
    json["name"] = "h2/up/64KiB/2GiB".into();
    let mut read: Case = serde_json::from_value(json).unwrap();
    assert_eq!(read.key().variant(), "", "the name under which it was recorded");
    assert_ne!(read, case, "another name is another case");
    (read.streams, read.body, read.seed) = (8, ByteSize(1 << 20), 7);
    assert_eq!(read.key().to_string(), "h2/up/64KiB/1MiB+c1s8+seed=7+h2-frame=16KiB");
    assert_eq!(serde_json::to_value(&read).unwrap()["name"], read.key().to_string());
    let mut remote = Case::new("h2").towards_any_peer();
    remote.direction = Direction::Down;
    assert!(remote.key().to_string().starts_with("h2/down/"), "{}", remote.key());
}
