//! The commands: each hands plain options to the libraries, prints their conclusions, and returns the verdict.

mod announcement;
mod bench;
mod certificate;
mod check;
mod compare;
mod completions;
mod conform;
mod control;
mod doctor;
mod fetch;
mod help;
mod listener;
mod manual;
mod merge;
mod peers;
mod plan;
mod progress;
mod prove;
mod report;
mod reproduce;
mod rounds;
mod send;
mod serve;
mod signals;
mod subject;
mod trace;
mod transfer;

use analyse::Verdict;

use crate::flags::Command;

/// Runs a command.
pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Bench(args) => bench::main(&args),
        Command::Peers => peers::main(),
        Command::Serve(args) => serve::main(&args),
        Command::Send(args) => send::main(&args),
        Command::Fetch(args) => fetch::main(&args),
        Command::Prove(args) => prove::main(&args),
        Command::Conform(args) => conform::main(&args),
        Command::Reproduce(args) => reproduce::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Compare(args) => compare::main(&args),
        Command::Report(args) => report::main(&args),
        Command::Merge(args) => merge::main(args),
        Command::Doctor => doctor::main(),
        Command::Help(args) => help::help(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => help::manual_pages(&args),
        Command::Schema => help::schema(),
        Command::Licenses => help::licences(),
    }
}
