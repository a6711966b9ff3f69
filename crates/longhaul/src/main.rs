//! longhaul: how fast, and in how little memory, HTTP carries multi-gigabyte bodies.
//!
//! The way of a measurement: [`cli`] reads what is asked for, [`matrix`] makes [`case`]s of it, [`mod@bench`]
//! runs each in two [`worker`] processes and gets a [`record`], which is held against its
//! [`budget`], [`results`] keeps it, [`report`] derives and
//! shows. [`mod@prove`] fits lines through the memory of many runs, [`check`] holds
//! records against ceilings, [`mod@compare`] against other records. [`doctor`] tells what of the [`machine`] would spoil all that.

mod bench;
mod budget;
mod build;
mod case;
mod ceilings;
mod check;
mod cli;
mod compare;
mod distinct;
mod doctor;
mod exit;
mod host;
mod instruments;
mod machine;
mod matrix;
mod prove;
mod record;
mod remote;
mod reply;
mod report;
mod results;
mod serve;
mod size;
mod stdout;
mod worker;

use std::process::ExitCode;

use crate::cli::Command;

/// glibc's malloc gives each large frame back to the kernel and faults it in again, which halves HTTP/2.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let command = match cli::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    log();
    let outcome = match command {
        Command::Bench(args) => bench::main(&args),
        Command::Serve(args) => serve::main(&args),
        Command::Send(args) => remote::send(&args),
        Command::Fetch(args) => remote::fetch(&args),
        Command::Prove(args) => prove::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Compare(args) => compare::main(&args),
        Command::Report(args) => report::main(&args),
        Command::Doctor => doctor::main(),
        Command::Completions(args) => cli::completions(&args),
        Command::Man(args) => cli::man(&args),
        Command::Worker => return worker::main(),
    };
    exit::code(outcome)
}

/// Tells on stderr what went on, as far as the environment variable LONGHAUL_LOG asks for it, and no more than `debug` in a
/// release build.
fn log() {
    let level = std::env::var("LONGHAUL_LOG").ok().and_then(|level| level.parse::<tracing::Level>().ok());
    if let Some(level) = level {
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time().init();
    }
}
