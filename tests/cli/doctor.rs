//! `longhaul doctor` that a signal interrupts.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{children, longhaul, text, wait};

#[test]
fn an_interrupted_doctor_states_no_noise() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let doctor = longhaul(&["doctor"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait(|| children(&doctor).len() == 2);
        kill(Pid::from_raw(doctor.id() as i32), signal).unwrap();
        let output = doctor.wait_with_output().unwrap();
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "{printed}{}", text(&output.stderr));
        assert!(printed.contains("socket buffers:") && !printed.contains("noise of"), "{printed}");
    }
}
