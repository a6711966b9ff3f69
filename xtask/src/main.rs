//! Development tasks: rules of the workspace, and studies over many runs of longhaul.
//!
//! The tasks run as `cargo xtask COMMAND`, and each command has its own file. A study runs the release build of this
//! tree as a user would, keeps its records as they are printed, and computes with the crates `analyse` and `stats`.

mod budgets;
mod ceilings;
mod compare_itself;
mod compare_versions;
mod cost;
mod docs;
mod figures;
mod full;
mod instructions;
mod large_file;
mod layers;
mod length;
mod limits;
mod many_processes;
mod many_streams;
mod many_uploads;
mod markdown;
mod networks;
mod peers;
mod power;
mod ratios;
mod release;
mod rules;
mod scale;
mod screenshots;
mod study;
mod sweep;
mod text_order;
mod third_party;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of longhaul
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Rules(rules::Arguments),
    Ratios(ratios::Arguments),
    Length(length::Arguments),
    Sweep(sweep::Arguments),
    Budgets(budgets::Arguments),
    Ceilings(ceilings::Arguments),
    CompareVersions(compare_versions::Arguments),
    CompareItself(compare_itself::Arguments),
    Cost(cost::Arguments),
    Deb(release::deb::Arguments),
    Docs(docs::Arguments),
    Figures(figures::Arguments),
    Full(full::Arguments),
    Instructions(instructions::Arguments),
    LargeFile(large_file::Arguments),
    Layers(layers::Arguments),
    Limits(limits::Arguments),
    ManyProcesses(many_processes::Arguments),
    ManyStreams(many_streams::Arguments),
    ManyUploads(many_uploads::Arguments),
    Networks(networks::Arguments),
    Peers(peers::Arguments),
    Power(power::Arguments),
    Sbom(release::sbom::Arguments),
    Scale(scale::Arguments),
    Screenshots(screenshots::Arguments),
    TextOrder(text_order::Arguments),
    ThirdParty(third_party::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Ratios(arguments) => ratios::run(&arguments),
        Command::Length(arguments) => length::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Budgets(arguments) => budgets::run(&arguments),
        Command::Ceilings(arguments) => ceilings::run(&arguments),
        Command::CompareVersions(arguments) => compare_versions::run(&arguments),
        Command::CompareItself(arguments) => compare_itself::run(&arguments),
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Deb(arguments) => release::deb::run(&arguments),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Figures(arguments) => figures::run(&arguments),
        Command::Full(arguments) => full::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::LargeFile(arguments) => large_file::run(&arguments),
        Command::Layers(arguments) => layers::run(&arguments),
        Command::Limits(arguments) => limits::run(&arguments),
        Command::ManyProcesses(arguments) => many_processes::run(&arguments),
        Command::ManyStreams(arguments) => many_streams::run(&arguments),
        Command::ManyUploads(arguments) => many_uploads::run(&arguments),
        Command::Networks(arguments) => networks::run(&arguments),
        Command::Peers(arguments) => peers::run(&arguments),
        Command::Power(arguments) => power::run(&arguments),
        Command::Sbom(arguments) => release::sbom::run(&arguments),
        Command::Scale(arguments) => scale::run(&arguments),
        Command::Screenshots(arguments) => screenshots::run(&arguments),
        Command::TextOrder(arguments) => text_order::run(&arguments),
        Command::ThirdParty(arguments) => third_party::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
