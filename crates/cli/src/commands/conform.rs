//! `longhaul conform`: tests the backpressure of a third-party client, server or proxy, case by case.

use std::env;

use analyse::{Conformance, Verdict};
use record::{Direction, Protocol, redacted_url, redacted_words};
use run::Interruption;
use subject::{Bodies, CONFORM_CASES, CommandLine, Endpoints, SMALL_UPLOAD, Source, Step, Suite, Tested};

use super::report::{json, write_file};
use crate::{
    exit::Usage,
    flags::ConformArgs,
    output::{conclude, print},
};

/// The flags that the command line of a single case states itself, or leaves out.
const CHOOSING: [&str; 4] = ["--case", "--protocol", "--direction", "--junit"];

/// Runs `longhaul conform`.
pub(super) fn main(args: &ConformArgs) -> anyhow::Result<Verdict> {
    if args.list {
        let line = |case: &subject::ConformCase| format!("{:<22}  {}\n", case.name, case.summary);
        print(&CONFORM_CASES.iter().map(line).collect::<String>())?;
        return Ok(Verdict::Good);
    }
    if args.url.is_none() && args.proxy.is_none() && !args.client {
        return Err(Usage::new("name the URL of a server, --proxy URL, or --client").into());
    }
    let named = args.protocols()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before the files with bodies are written, which would outlive this process otherwise.
    let mut interruption = runtime.block_on(async { Interruption::catch() })?;
    let (tested, name) = tested(args)?;
    let suite = Suite::new(tested, args.options()?, args.size, args.stall).over(args.network()?);
    let mut conformance = Conformance { subject: name, trials: Vec::new() };
    let is_whole = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interruption.wait() => Ok(false),
            done = run(args, &suite, named, &mut conformance) => done.map(|()| true),
        }
    })?;
    if let Some(junit) = &args.junit {
        write_file(junit, &analyse::conformance_junit(&conformance)?)?;
    }
    let verdict = if is_whole { conformance.verdict() } else { Verdict::Interrupted };
    conclude(&if args.json {
        json(verdict, &conformance)?
    } else {
        analyse::conformance_text(&conformance)
    })?;
    Ok(verdict)
}

/// Runs the cases, and prints each as soon as it has ended. If no protocol is named and the program takes part in no
/// handshake, all cases have failed.
async fn run(
    args: &ConformArgs,
    suite: &Suite,
    named: Vec<&'static Protocol>,
    conformance: &mut Conformance,
) -> anyhow::Result<()> {
    let spoken = if named.is_empty() { suite.protocols().await } else { Ok(named) };
    let (protocols, fault) = match spoken {
        Ok(protocols) => (protocols, None),
        Err(fault) => (suite.candidates().into_iter().take(1).collect(), Some(fault)),
    };
    for step in steps(args, &protocols) {
        let command = alone(&step);
        let trial = match &fault {
            None => suite.run(step, command).await,
            Some(fault) => suite.failed(step, fault.clone(), command),
        };
        if !args.json {
            print(&analyse::trial_text(&trial))?;
        }
        conformance.trials.push(trial);
    }
    Ok(())
}

/// Returns the chosen cases over these protocols, in the order in which they run.
fn steps(args: &ConformArgs, protocols: &[&'static Protocol]) -> Vec<Step> {
    let mut steps = Vec::new();
    for protocol in protocols {
        for direction in args.directions() {
            steps.extend(args.cases().into_iter().map(|case| Step { case, protocol, direction }));
        }
    }
    steps
}

/// Returns the program under test, and its name.
fn tested(args: &ConformArgs) -> anyhow::Result<(Tested, String)> {
    if args.client {
        return client(args);
    }
    let endpoints = match (&args.proxy, &args.url) {
        (Some(proxy), _) => Endpoints::behind_proxy(proxy),
        (None, url) => Endpoints::new(url.clone().unwrap_or_default(), args.download.clone()),
    };
    let endpoints = endpoints.map_err(Usage::new)?;
    let (source, name) = source(args, &endpoints)?;
    let tested = match args.upstream {
        Some(upstream) => Tested::Proxy { source, endpoints, upstream },
        None => Tested::Server { source, endpoints },
    };
    Ok((tested, name))
}

fn client(args: &ConformArgs) -> anyhow::Result<(Tested, String)> {
    let [direction] = args.directions()[..] else {
        return Err(Usage::new("--client: a command transfers in one direction, up or down").into());
    };
    let command = CommandLine::of_client(args.command.clone()).map_err(Usage::new)?;
    command.check_program().map_err(Usage::new)?;
    let (name, needs_file) = (command.to_string(), command.needs_file() && direction == Direction::Up);
    let sizes = [SMALL_UPLOAD, args.size];
    let bodies =
        needs_file.then(|| Bodies::write(&env::temp_dir(), &sizes)).transpose().map_err(Usage::new)?;
    Ok((Tested::Client { command, bodies, direction }, name))
}

/// Returns the process of a server or a proxy, and its name.
fn source(args: &ConformArgs, endpoints: &Endpoints) -> anyhow::Result<(Source, String)> {
    let url = args.proxy.as_ref().or(args.url.as_ref()).map(|url| redacted_url(url)).unwrap_or_default();
    if !args.command.is_empty() {
        let command =
            CommandLine::of_server(args.command.clone(), endpoints.needs_port()).map_err(Usage::new)?;
        command.check_program().map_err(Usage::new)?;
        let name = command.to_string();
        return Ok((Source::started(command, args.ready.clone().unwrap_or_default()), name));
    }
    if endpoints.needs_port() {
        let reason = "{port} is for a program that longhaul starts; name the port of one that runs already";
        return Err(Usage::new(reason).into());
    }
    match args.watch {
        Some(pid) => {
            let source =
                Source::running(pid).map_err(|error| Usage::new(format!("--watch {pid}: {error}")))?;
            Ok((source, url))
        }
        None if args.proxy.is_some() => Ok((Source::unknown(), url)),
        None => {
            let reason = "name the server's process (--watch PID), or a command that starts it after --";
            Err(Usage::new(reason).into())
        }
    }
}

/// Returns the command line that runs a step alone.
fn alone(step: &Step) -> String {
    let arguments = env::args_os().skip(2).map(|argument| argument.to_string_lossy().into_owned());
    alone_of(arguments.collect(), step)
}

fn alone_of(arguments: Vec<String>, step: &Step) -> String {
    let own =
        ["longhaul", "conform", "--case", step.case.name, "--protocol", step.protocol.name, "--direction"];
    let mut words: Vec<String> = own.iter().map(ToString::to_string).collect();
    words.push(step.direction.to_string());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let is_of_command = argument == "--";
        let flag = argument.split_once('=').map_or(argument.as_str(), |(flag, _)| flag);
        if CHOOSING.contains(&flag) {
            if !argument.contains('=') {
                arguments.next();
            }
        } else if argument != "--json" {
            words.push(argument);
        }
        if is_of_command {
            words.extend(arguments.by_ref());
        }
    }
    redacted_words(words).into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell if it has more than plain characters.
fn quoted(word: String) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use subject::ConformCase;

    use super::*;

    #[test]
    fn a_case_alone_keeps_the_program_and_chooses_itself() {
        let step = Step {
            case: ConformCase::by_name("slow-reader").unwrap(),
            protocol: Protocol::by_name("h2").unwrap(),
            direction: Direction::Down,
        };
        let alone = |words: &[&str]| alone_of(words.iter().map(ToString::to_string).collect(), &step);
        assert_eq!(
            alone(&["https://x/", "--case", "trailers", "--protocol=h1", "--json", "--", "run it", "--json"]),
            "longhaul conform --case slow-reader --protocol h2 --direction down https://x/ -- 'run it' --json"
        );
    }
}
