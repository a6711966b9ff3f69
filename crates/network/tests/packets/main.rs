//! Networks of packets: real processes in their namespaces exchange bytes over UDP and TCP. This test program also
//! serves as the relay and as the ends, because a process can enter a user namespace only while it has one thread.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its results"
)]
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod end;
#[cfg(target_os = "linux")]
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        if longhaul_network::relay::is_requested() {
            return longhaul_network::relay::main();
        }
        if let Some(task) = end::requested() {
            return end::main(&task);
        }
        cases::run()
    }
    #[cfg(not(target_os = "linux"))]
    ExitCode::SUCCESS
}
