//! The step `hostile`: 1,000 hostile connections of all kinds at once, and a well-behaved client, the neighbour, that
//! requests a page.
//!
//! The memory of the server must stay small, and the neighbour must be answered at once. `xtask/peers/hostile.py` opens
//! the hostile connections.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use metrics::Stamp;
use record::mib;
use serde::Deserialize;
use stats::median;

use super::{Context, outcome::Outcome, watched::Holding};
use crate::{study::Server, workspace};

/// The number of hostile connections, and their duration in seconds.
const CONNECTIONS: &str = "1000";
const SECONDS: &str = "40";

/// The most memory that the server may take, in bytes.
const MEMORY: u64 = 256 << 20;

/// The longest time until the neighbour has its page: the median and the 99th percentile.
const ANSWERED: Duration = Duration::from_millis(50);

/// The pause between two requests of the neighbour.
const PAUSE: Duration = Duration::from_millis(20);

/// A line that the hostile clients print.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "event")]
enum Line {
    /// All connections were opened, and all kinds are active.
    Ready,
    /// The clients have ended. For each kind: the connections that were opened, and those still open at the end.
    Done { kinds: Vec<(String, u64, u64)>, missing: Vec<String> },
}

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let server = Server::logging(context.program, &["--sink", "verify"], &folder.path().join("serve.log"))?;
    let mut strangers = strangers(&server)?;
    let mut lines = BufReader::new(strangers.stdout.take().context("no output of the strangers")?).lines();
    let mut next = || -> Result<Line> {
        let line = lines.next().context("the strangers ended early")??;
        serde_json::from_str(&line).with_context(|| format!("the strangers printed '{line}'"))
    };
    ensure!(matches!(next()?, Line::Ready), "the strangers ended before they began");
    let answers = neighbour(&server, &mut strangers)?;
    let Line::Done { kinds, missing } = next()? else { anyhow::bail!("the strangers began twice") };
    let mut outcome = Outcome::default();
    judge(&answers, &kinds, server.peak_rss()?, &mut outcome);
    outcome.notes.extend(missing.into_iter().map(|kind| format!("not run: {kind}")));
    let after = Holding::of(server.pid());
    outcome.check(
        "the server afterwards",
        "runs",
        if after.is_ok() { "runs" } else { "ended" },
        after.is_ok(),
    );
    let status = server.stop()?;
    outcome.check("the server ends at SIGTERM", "exit code 0", status.to_string(), status.success());
    Ok(outcome)
}

fn strangers(server: &Server) -> Result<Child> {
    let mut command = Command::new(super::interop::python()?);
    command.arg(workspace::root().join("xtask/peers/hostile.py"));
    command.args([server.cleartext(), server.tls(), CONNECTIONS, SECONDS]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().context("cannot start the strangers")
}

/// An answer to the neighbour: its time in seconds, and its status. The time of a lost answer is infinite.
type Answer = (f64, String);

/// Requests the page again and again until the hostile clients are done.
fn neighbour(server: &Server, strangers: &mut Child) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    while strangers.try_wait().context("the strangers are lost")?.is_none() {
        let began = Stamp::now();
        let answer = page(server.cleartext()).unwrap_or_default();
        let status = answer.split(' ').nth(1).map(str::to_owned);
        answers.push(match status {
            Some(status) => (began.elapsed().as_secs_f64(), status),
            None => (f64::INFINITY, "lost".into()),
        });
        sleep(PAUSE);
    }
    Ok(answers)
}

/// Requests `GET /` on a new connection. Returns the answer.
fn page(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn judge(answers: &[Answer], kinds: &[(String, u64, u64)], peak: u64, outcome: &mut Outcome) {
    outcome.row(["kind", "connections", "open at the end"]);
    for (kind, opened, open) in kinds {
        outcome.row([kind.clone(), opened.to_string(), open.to_string()]);
    }
    let opened: u64 = kinds.iter().map(|kind| kind.1).sum();
    outcome.check(
        "hostile connections",
        format!("at least {CONNECTIONS}"),
        opened.to_string(),
        opened >= 1000,
    );
    let limit = mib(MEMORY);
    outcome.check(
        "peak RSS of the server",
        format!("under {limit:.0} MiB"),
        format!("{:.1} MiB", mib(peak)),
        peak < MEMORY,
    );
    let times: Vec<f64> = answers.iter().map(|answer| answer.0).collect();
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let p99 = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(f64::INFINITY);
    let typical = median(&times).unwrap_or(f64::INFINITY);
    for (what, time) in [("median", typical), ("99th percentile", p99)] {
        outcome.check(
            format!("a neighbour's GET /, {what} of {}", times.len()),
            format!("under {} ms", ANSWERED.as_millis()),
            format!("{:.1} ms", 1e3 * time),
            time < ANSWERED.as_secs_f64(),
        );
    }
    let mut others: Vec<&str> =
        answers.iter().map(|answer| answer.1.as_str()).filter(|s| *s != "200").collect();
    let refused = others.len();
    others.sort_unstable();
    others.dedup();
    outcome.check(
        "requests of the neighbour that were refused or lost",
        "none",
        format!("{refused} {}", others.join(", ")).trim_end().to_owned(),
        refused == 0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_or_missing_answer_and_a_large_server_fail() {
        let kinds = [("silent".to_owned(), 1000, 3)];
        let of = |times: &[f64], peak: u64| {
            let mut outcome = Outcome::default();
            let answers: Vec<Answer> = times.iter().map(|time| (*time, "200".into())).collect();
            judge(&answers, &kinds, peak, &mut outcome);
            outcome.checks.iter().filter(|check| !check.holds()).count()
        };
        assert_eq!(of(&[0.001; 200], 100 << 20), 0);
        assert_eq!(of(&[0.001; 200], 300 << 20), 1);
        let mut late = vec![0.001; 197];
        late.extend([0.2; 3]);
        assert_eq!(of(&late, 1), 1, "the percentile alone");
        let refused = vec![(0.001, "503".to_owned()); 200];
        let mut outcome = Outcome::default();
        judge(&refused, &kinds, 1, &mut outcome);
        assert_eq!(outcome.checks.iter().filter(|check| !check.holds()).count(), 1);
    }
}
