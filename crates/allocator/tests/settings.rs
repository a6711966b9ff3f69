//! Tests of the settings in force according to jemalloc: the compiled settings at its start, and overridden settings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, process::Command};

use longhaul_allocator::{SETTINGS, in_force};

/// Parses settings in the syntax of `malloc_conf`, and returns them by name.
fn by_name(settings: &str) -> BTreeMap<&str, &str> {
    settings.split(',').filter_map(|setting| setting.split_once(':')).collect()
}

#[test]
fn each_setting_compiled_in_is_in_force() {
    let described = in_force().unwrap().to_string();
    let (library, rest) = described.split_once(' ').unwrap();
    let (version, settings) = rest.split_once(' ').unwrap();
    assert_eq!(library, "jemalloc");
    assert!(version.starts_with("5."), "{version}");
    let (expected, found) = (by_name(SETTINGS), by_name(settings));
    assert_eq!(expected.len(), 8);
    for (name, value) in &expected {
        assert_eq!(found.get(name), Some(value), "{name}");
    }
    assert_eq!(settings, SETTINGS);
}

#[test]
fn settings_overridden_by_the_environment_are_stated() {
    // jemalloc reads its environment once, at its start, so a child process shows the override.
    let overrides = "narenas:2,tcache_nslots_small_max:9,tcache_nslots_large:3,dirty_decay_ms:2000,\
                     muzzy_decay_ms:10,slab_sizes:4097-8192:20,background_thread:true,thp:always";
    let described = described_with(overrides);
    for (name, value) in by_name(overrides) {
        assert_eq!(by_name(&described).get(name), Some(&value), "{described}");
    }
}

#[test]
fn slabs_of_several_sizes_are_stated_one_by_one() {
    let described = described_with("slab_sizes:7000-8192:20");
    assert_eq!(by_name(&described).get("slab_sizes"), Some(&"4097-6144:10|6145-8192:20"), "{described}");
}

/// The kernel marks jemalloc's memory in `/proc/self/smaps` as not backed by huge pages (`nh`).
#[test]
#[cfg(target_os = "linux")]
fn large_blocks_get_no_huge_pages() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return;
    }
    let block = std::hint::black_box(vec![1_u8; 64 << 20]);
    let at = block.as_ptr() as usize + block.len() / 2;
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let contains = |line: &str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        (address(from)..address(to)).contains(&at)
    };
    let is_head = |line: &str| line.split(' ').next().is_some_and(|word| word.contains('-'));
    let mut of_block = smaps.lines().skip_while(|line| !(is_head(line) && contains(line)));
    let flags = of_block.find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
    let not_needed = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap();
    // If the system has switched huge pages off, jemalloc need not do so.
    assert!(flags.split(' ').any(|flag| flag == "nh") || not_needed.contains("[never]"), "{flags}");
}

/// Returns the settings in force of a process that has `overrides` in its environment.
fn described_with(overrides: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let output = Command::new(test)
        .args(["--exact", "prints_what_is_in_force", "--ignored", "--nocapture"])
        .env("_RJEM_MALLOC_CONF", overrides)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let line = printed.lines().find_map(|line| line.split_once("in force: jemalloc ")).unwrap().1;
    line.split_once(' ').unwrap().1.to_owned()
}

#[test]
#[ignore = "the other tests start it in a process of its own"]
#[allow(clippy::print_stdout, reason = "the test that started this one reads it")]
fn prints_what_is_in_force() {
    println!("\nin force: {}", in_force().unwrap());
}
