//! The process of a server or a proxy under proof: started for each run, or running already.

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use client::{Client, Target};
use metrics::Stamp;
use record::{Case, Fault, FaultKind, mib};
use tokio::time::sleep;

use crate::{
    CommandLine, Endpoints, Ready, command::Placeholder, exchange::unusable, processes::Processes,
    program::Program,
};

/// The wait after a failed transfer until the end of the program can be seen.
const END_DELAY: Duration = Duration::from_millis(300);

/// The interval of handshakes until the program takes part in one.
const LOOK: Duration = Duration::from_millis(50);

/// The process of a program that listens at a URL: started for each run, running already, or unknown.
pub struct Source(Kind);

enum Kind {
    Started { command: CommandLine, ready: Ready },
    Running { processes: Processes, pid: u32 },
    Unknown,
}

impl Source {
    /// Makes the source of a program that is started for each run. `ready` is the sign that it is ready.
    pub fn started(command: CommandLine, ready: Ready) -> Self {
        Self(Kind::Started { command, ready })
    }

    /// Makes the source of a program that runs already as the process `pid`. Before each run, the peak that the kernel
    /// records of its memory is reset. If that is not permitted, only samples count.
    ///
    /// # Errors
    /// Fails if there is no such process.
    pub fn running(pid: u32) -> io::Result<Self> {
        Ok(Self(Kind::Running { processes: Processes::running(pid)?, pid }))
    }

    /// Makes the source of a program whose process is unknown. Its memory stays unknown as well.
    pub fn unknown() -> Self {
        Self(Kind::Unknown)
    }

    /// Returns those of the cases whose protocol the program speaks. Waits for the sign that the program is ready, and for its
    /// first handshake, for `patience`.
    ///
    /// # Errors
    /// Fails if the program cannot be started, ends, or takes part in no handshake. Also fails if another program
    /// gives the sign before.
    pub(crate) async fn spoken(
        &self,
        cases: &[Case],
        endpoints: &Endpoints,
        client: &Client,
        patience: Duration,
    ) -> Result<Vec<Case>, Fault> {
        let port = endpoints.needs_port().then(free_port).transpose()?;
        let targets: Vec<Target> =
            cases.iter().filter_map(|case| endpoints.target(case, port).ok()).collect();
        let first = cases.first().zip(targets.first()).ok_or_else(|| unusable("no protocol fits the URL"))?;
        let Kind::Started { command, ready } = &self.0 else {
            return answered(cases, endpoints, client, port, None, patience).await;
        };
        for target in &targets {
            ready.absent(&command.program(), client, target, port).await?;
        }
        let mut program = Program::start(&words(command, first.0, first.1), ready.text())?;
        let began = Stamp::now();
        while let Err(what) = look(ready, &program, client, &targets, port).await {
            let late = format!("was not ready within {} s: {what}", patience.as_secs_f64());
            missing(Some(&mut program), began, patience, late).await?;
            sleep(LOOK).await;
        }
        let spoken = answered(cases, endpoints, client, port, Some(&mut program), patience).await?;
        program.stop().await;
        Ok(spoken)
    }

    /// Starts the program for a run if it does not run yet, and waits until it is ready at the target.
    pub(crate) async fn begin(
        &self,
        case: &Case,
        endpoints: &Endpoints,
        client: &Client,
        patience: Duration,
    ) -> Result<(Listening, Target), Fault> {
        let port = endpoints.needs_port().then(free_port).transpose()?;
        let target = endpoints.target(case, port).map_err(unusable)?;
        let listening = match &self.0 {
            Kind::Unknown => Listening::Unknown,
            Kind::Running { processes, pid } => {
                processes.tree().restart_peak();
                Listening::Running(processes.clone(), format!("process {pid}"))
            }
            Kind::Started { command, ready } => {
                ready.absent(&command.program(), client, &target, port).await?;
                let mut program = Program::start(&words(command, case, &target), ready.text())?;
                ready.wait(&mut program, client, &target, port, patience).await?;
                // Memory that was taken before the program was ready does not count, for instance by a shell that
                // started it.
                program.processes().tree().restart_peak();
                Listening::Started(Box::new(program))
            }
        };
        Ok((listening, target))
    }
}

/// Checks whether a program gives the sign at one of the targets. The error states what is missing at the last one.
async fn look(
    ready: &Ready,
    program: &Program,
    client: &Client,
    targets: &[Target],
    port: Option<u16>,
) -> Result<(), String> {
    let mut looked = Err("no protocol fits the URL".to_owned());
    for target in targets {
        looked = ready.look(program, client, target, port).await;
        if looked.is_ok() {
            break;
        }
    }
    looked
}

/// Returns the cases whose targets take part in a handshake, once there is one.
///
/// # Errors
/// Fails if a program that was started has ended, and without a handshake after `patience`.
async fn answered(
    cases: &[Case],
    endpoints: &Endpoints,
    client: &Client,
    port: Option<u16>,
    mut program: Option<&mut Program>,
    patience: Duration,
) -> Result<Vec<Case>, Fault> {
    let began = Stamp::now();
    while answering(cases, endpoints, client, port).await.is_empty() {
        let late = format!("took part in no handshake within {} s", patience.as_secs_f64());
        missing(program.as_deref_mut(), began, patience, late).await?;
        sleep(LOOK).await;
    }
    // The listeners of other protocols may have started later.
    Ok(answering(cases, endpoints, client, port).await)
}

/// Checks that a program whose sign or handshake is missing since `began` may still give it.
///
/// # Errors
/// Fails if the program has ended, and after `patience`. Then `late` states what is missing.
async fn missing(
    program: Option<&mut Program>,
    began: Stamp,
    patience: Duration,
    late: String,
) -> Result<(), Fault> {
    let is_late = began.elapsed() >= patience;
    let Some(program) = program else {
        let fault = || Fault::new(FaultKind::Timeout, format!("the program {late}"));
        return if is_late { Err(fault()) } else { Ok(()) };
    };
    if let Some(status) = program.gone()? {
        let what = format!("ended ({}) before it was ready", program.describe(status));
        return Err(program.fault(FaultKind::Program, what).await);
    }
    if is_late {
        program.end();
        return Err(program.fault(FaultKind::Timeout, late).await);
    }
    Ok(())
}

/// Returns the cases whose targets take part in a handshake.
async fn answering(cases: &[Case], endpoints: &Endpoints, client: &Client, port: Option<u16>) -> Vec<Case> {
    let mut answering = Vec::new();
    for case in cases {
        if let Ok(target) = endpoints.target(case, port)
            && client.probe(&target).await.is_ok()
        {
            answering.push(case.clone());
        }
    }
    answering
}

fn words(command: &CommandLine, case: &Case, target: &Target) -> Vec<OsString> {
    command.filled(|placeholder| match placeholder {
        Placeholder::Url => target.url().into(),
        Placeholder::Host => target.host().into(),
        Placeholder::Port => target.port().to_string().into(),
        Placeholder::Size | Placeholder::N => case.body.0.to_string().into(),
        Placeholder::File | Placeholder::Cacert => OsString::new(),
    })
}

/// Returns a port that no program uses now.
pub(crate) fn free_port() -> Result<u16, Fault> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(unusable)
}

/// A program that is ready for a transfer.
pub(crate) enum Listening {
    Started(Box<Program>),
    Running(Processes, String),
    Unknown,
}

impl Listening {
    /// Returns the processes of the program, if they are known.
    pub(crate) fn processes(&self) -> Option<Processes> {
        match self {
            Self::Started(program) => Some(program.processes().clone()),
            Self::Running(processes, _) => Some(processes.clone()),
            Self::Unknown => None,
        }
    }

    /// Returns the name of the program in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Started(program) => program.name().to_owned(),
            Self::Running(_, name) => name.clone(),
            Self::Unknown => "the program".into(),
        }
    }

    /// Ends a program that was started for the run. Returns the failure of a program that had ended by itself after
    /// `moved` body bytes. After a failed transfer, this function first waits for [`END_DELAY`], because the transfer
    /// fails a moment before the program has ended.
    pub(crate) async fn end(self, case: &Case, moved: u64, has_failed: bool) -> Result<Option<Fault>, Fault> {
        if has_failed {
            sleep(END_DELAY).await;
        }
        match self {
            Self::Running(processes, name) if processes.are_gone() => {
                Ok(Some(Fault::new(FaultKind::Program, format!("{name} has ended"))))
            }
            Self::Started(mut program) => {
                let Some(status) = program.gone()? else {
                    program.stop().await;
                    return Ok(None);
                };
                let (ended, moved, total) = (program.describe(status), mib(moved), mib(case.body.0));
                let what = format!("ended ({ended}) after {moved:.1} of {total:.1} MiB");
                Ok(Some(program.fault(FaultKind::Program, what).await))
            }
            _ => Ok(None),
        }
    }
}
