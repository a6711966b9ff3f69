//! Transfers to and from servers of longhaul and servers that each test defines, over real sockets. They are one test
//! program: to link one takes less time than to link one for each module, and tests that wait leave the cores to others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod faults;
mod repeated_uploads;
mod representations;
mod responses;
mod resume;
mod transfers;
