use super::*;

/// The schema is committed, so that a review shows each change to the record.
#[test]
fn the_committed_schema_is_the_one_of_these_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/record.schema.json");
    let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(Record)).unwrap();
    schema.push('\n');
    if std::env::var_os("LONGHAUL_WRITE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let hint = "run LONGHAUL_WRITE_SCHEMA=1 cargo test -p longhaul-record schema, and commit the file";
    assert!(SCHEMA == schema, "record.schema.json is not up to date: {hint}");
}

#[test]
fn figures_are_read_to_the_last_bit() {
    let figures = (1..=1000).map(|i| f64::from(i) * 2_096_803.231_729_122_6);
    for figure in figures.chain([2_096_803_231.729_122_6]) {
        let text = serde_json::to_string(&figure).unwrap();
        let read: f64 = serde_json::from_str(&text).unwrap();
        assert_eq!(read.to_bits(), figure.to_bits(), "{text}");
    }
}

#[test]
fn a_record_of_an_earlier_version_is_read_with_the_values_that_were_in_force() {
    let mut value = serde_json::to_value(Record::new("run", Case::new("h3"))).unwrap();
    let later =
        ["delivery", "bodies", "disturbed", "disturbances", "conditions", "schedule", "stall", "warnings"];
    let early = ["command", "protocol", "purpose", "label", "peer", "spin_us", "core_round_trip"];
    for field in early.iter().chain(&later) {
        value.as_object_mut().unwrap().remove(*field);
    }
    for field in ["limits", "seed", "spin_us", "reader_stall_s", "threads"] {
        value["case"].as_object_mut().unwrap().remove(field);
    }
    value["limits"].as_object_mut().unwrap().remove("h3-recv");
    let read = Record::from_json(value.to_string().as_bytes()).unwrap();
    assert_eq!((read.command.as_ref(), read.purpose), (None, None));
    assert_eq!(read.case.limits.choice(&crate::H3_RECV), Some("stock"));
    assert_eq!(read.case.key().to_string(), "h3/up/64KiB/2GiB");
    assert_eq!(read.facts().baseline.as_deref(), Some("quic"));
    assert_eq!(read.case.spin, None);
}

#[test]
fn figures_that_had_another_meaning_in_version_1_are_null() {
    let read = |version: u32, spin_us: f64| {
        let mut case = Case::new("h2");
        case.spin = None;
        let mut record = Record::new("run", case);
        (record.schema_version, record.spin_us, record.first_byte_s) = (version, Some(spin_us), Some(1.0));
        let mut end = EndRecord::default();
        end.cpu.s_per_gib = Some(0.6);
        (record.sender, record.receiver) = (Some(end.clone()), Some(end));
        let read = Record::from_json(record.to_line().unwrap().as_bytes()).unwrap();
        let cpu = |end: Option<EndRecord>| end.unwrap().cpu.s_per_gib;
        (read.first_byte_s, cpu(read.sender), cpu(read.receiver), read.case.spin)
    };
    let spin = Some(crate::DEFAULT_SPIN);
    assert_eq!(read(1, 100.0), (None, Some(0.6), None, spin));
    assert_eq!(read(1, 0.0), (None, Some(0.6), Some(0.6), None));
    assert_eq!(read(2, 100.0), (Some(1.0), Some(0.6), Some(0.6), spin));
}

#[test]
fn a_record_survives_its_line() {
    let record = Record { round: 3, ..Record::new("run", Case::new("h2c")) };
    let read = Record::from_json(record.to_line().unwrap().as_bytes()).unwrap();
    assert_eq!(read.to_line().unwrap(), record.to_line().unwrap());
}
