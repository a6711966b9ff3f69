//! Senders of uploads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use futures_util::future::{join_all, try_join, try_join_all};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use record::{Direction, mib};
use tokio::time::{Duration, sleep, timeout};
use transport::Connection;

use super::{BODIES, Near, accepted};
use crate::conform::{
    cases::Kind,
    raw,
    script::{FIRST, Gate, SMALL, Script, TRAILER},
    trouble::{Seen, Trouble},
};

/// The bytes of a piece of a body that nobody reads: fewer than a packet carries.
const SMALL_PIECE: usize = 1 << 10;

/// The number of requests that wait, the number of additional fields of each, and the bytes in the value of each field.
/// With its other fields, a head then stays within the 8 KiB that servers admit by default.
const REQUESTS: usize = 64;
const FIELDS: usize = 8;
const FIELD_BYTES: usize = 900;

/// The time for which requests wait.
const HELD: Duration = Duration::from_secs(2);

/// A path that no server knows.
const NOBODY: &str = "/longhaul-conform-nobody";

impl Near<'_> {
    pub(super) async fn play_up(&self, kind: Kind) -> Seen {
        match kind {
            Kind::FastSender => {
                self.accepted_upload(&self.line().await?, self.body).await?;
                Ok(None)
            }
            Kind::OneStreamStalled => self.one_upload_stalled().await,
            Kind::UnreadBody => self.unread_body().await,
            Kind::EarlyResponse => self.early_response().await,
            Kind::ResetMidway => self.uploads_reset().await,
            Kind::TinyFrames => self.small(Script::of(SMALL, &self.moved).in_tiny_pieces()).await,
            Kind::Trailers => self.small(Script::of(SMALL, &self.moved).with_trailers()).await,
            Kind::PinnedHeaders => self.pinned_headers().await,
            Kind::LargerThanAnnounced => self.larger_than_announced().await,
            _ => Err(Trouble::not_applicable("the program itself reads uploads")),
        }
    }

    async fn one_upload_stalled(&self) -> Seen {
        let share = self.body / BODIES as u64;
        let lines = self.lines(BODIES).await?;
        let Some((first, others)) = lines.split_first() else { return Ok(None) };
        let (script, gate) = Script::of(share, &self.moved).stopping_after(FIRST);
        let others = async {
            let whole = others.iter().map(|line| self.accepted_upload(line, share));
            try_join_all(whole).await.map_err(|trouble| Trouble {
                note: format!("a body beside one that stood still: {}", trouble.note),
                ..trouble
            })?;
            gate.open();
            Ok(())
        };
        let (answer, ()) = try_join(self.upload(first, script), others).await?;
        accepted(answer)?;
        Ok(None)
    }

    async fn accepted_upload(&self, line: &Arc<dyn Connection>, size: u64) -> Result<(), Trouble> {
        accepted(self.upload(line, Script::of(size, &self.moved)).await?)
    }

    /// Sends a GET with a body. The body of a GET has no meaning (RFC 9110 section 9.3.1), so servers do not read it.
    async fn unread_body(&self) -> Seen {
        let line = self.line().await?;
        let target = self.target(Direction::Up, self.body)?;
        let body = self.body_of(Script::of(self.body, &self.moved).in_pieces(SMALL_PIECE));
        let answer = self.send(&line, Some(Method::GET), &target, HeaderMap::new(), body).await;
        let note = self.answered(answer)?;
        self.is_alive(Direction::Up).await?;
        Ok(note)
    }

    /// Uploads to an unknown path, or by an unknown method. The server refuses the request while the body is still
    /// being sent.
    async fn early_response(&self) -> Seen {
        let method = Method::from_bytes(b"LONGHAUL").map_err(Trouble::not_applicable)?;
        let target = self.target(Direction::Up, self.body)?;
        for (method, target) in [(None, self.nowhere()?), (Some(method), target)] {
            let line = self.line().await?;
            let body = self.body_of(Script::of(self.body, &self.moved));
            let answer = self.send(&line, method, &target, HeaderMap::new(), body).await;
            if !answer.as_ref().is_ok_and(|answer| answer.is_success()) {
                let note = self.answered(answer)?;
                self.is_alive(Direction::Up).await?;
                return Ok(note);
            }
        }
        Err(Trouble::not_applicable("the program takes uploads at every path and by every method"))
    }

    /// Returns the target of a path that no server knows.
    fn nowhere(&self) -> Result<client::Target, Trouble> {
        let url = self.target(Direction::Up, self.body)?.url();
        let (base, _) = url.split_once('?').unwrap_or((&url, ""));
        let path = client::Target::parse(&format!("{}{NOBODY}", base.trim_end_matches('/')));
        let target = path.and_then(|target| target.with_protocol(self.protocol));
        target.map_err(Trouble::not_applicable)
    }

    /// Describes an answer of any status, or a connection that was broken off.
    fn answered(&self, answer: Result<StatusCode, Trouble>) -> Seen {
        let sent = format!("after {:.1} MiB", mib(self.moved.load(Relaxed)));
        match answer {
            Ok(answer) => Ok(Some(format!("answered {} {sent}", answer))),
            Err(trouble) => {
                trouble.forgiven().map(|note| note.map(|note| format!("broke off {sent}: {note}")))
            }
        }
    }

    async fn uploads_reset(&self) -> Seen {
        let line = self.line().await?;
        let broken = async {
            for _ in 0..BODIES {
                let line = if self.protocol.has_streams() { line.clone() } else { self.line().await? };
                self.broken_upload(&line).await?;
            }
            Ok(())
        };
        match self.protocol.has_streams() {
            true => drop(try_join(self.accepted_upload(&line, self.body), broken).await?),
            false => broken.await?,
        }
        self.is_alive(Direction::Up).await?;
        Ok(None)
    }

    /// Uploads the first bytes of a body, and breaks off. The server must not accept them as a whole body.
    async fn broken_upload(&self, line: &Arc<dyn Connection>) -> Result<(), Trouble> {
        let sent = Arc::<AtomicU64>::default();
        let (script, _gate) = Script::of(self.body, &sent).stopping_after(FIRST);
        let answer = self.upload(line, script);
        let reached = async {
            while sent.load(Relaxed) < FIRST {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            answer = answer => match answer {
                Ok(answer) if answer.is_success() => {
                    Err(Trouble::corrupted(format!("{} was answered for a part of a body", answer)))
                }
                _ => Ok(()),
            },
            _ = timeout(self.patience, reached) => Ok(()),
        }
    }

    async fn small(&self, script: Script) -> Seen {
        let line = self.line().await?;
        let target = self.target(Direction::Up, SMALL)?;
        // Over HTTP/1.1, hyper sends only trailers that were announced (RFC 9110 section 6.6.2).
        let fields = HeaderMap::from_iter([(header::TRAILER, HeaderValue::from(TRAILER))]);
        let answer = self.send(&line, None, &target, fields, self.body_of(script)).await;
        let note = match answer {
            Ok(answer) if answer.is_success() => None,
            refused => self.answered(refused)?,
        };
        self.is_alive(Direction::Up).await?;
        Ok(note)
    }

    async fn pinned_headers(&self) -> Seen {
        let lines = self.lines(REQUESTS).await?;
        let target = self.target(Direction::Up, 2)?;
        let value = HeaderValue::from_str(&"v".repeat(FIELD_BYTES)).map_err(Trouble::not_applicable)?;
        let mut fields = HeaderMap::new();
        for index in 0..FIELDS {
            let name =
                HeaderName::try_from(format!("x-longhaul-{index}")).map_err(Trouble::not_applicable)?;
            fields.insert(name, value.clone());
        }
        let (scripts, gates): (Vec<Script>, Vec<Gate>) =
            lines.iter().map(|_| Script::of(2, &self.moved).in_tiny_pieces().stopping_after(1)).unzip();
        let sending = lines
            .iter()
            .zip(scripts)
            .map(|(line, script)| self.send(line, None, &target, fields.clone(), self.body_of(script)));
        let release = async {
            sleep(HELD).await;
            gates.iter().for_each(Gate::open);
        };
        let (answers, ()) = futures_util::future::join(join_all(sending), release).await;
        let refused =
            answers.iter().filter(|answer| !answer.as_ref().is_ok_and(|answer| answer.is_success()));
        let refused = refused.count();
        if let Some(stalled) = answers.into_iter().find_map(|answer| answer.err().filter(is_stall)) {
            return Err(stalled);
        }
        self.is_alive(Direction::Up).await?;
        Ok((refused > 0).then(|| format!("{refused} of {REQUESTS} requests were refused")))
    }

    /// Sends more bytes than Content-Length states. Over HTTP/2 and HTTP/3, such a message is malformed. Over HTTP/1.1,
    /// the excess bytes are read as the next request.
    async fn larger_than_announced(&self) -> Seen {
        let target = self.target(Direction::Up, SMALL)?;
        if !self.protocol.has_streams() {
            return self.larger_over_http1(&target).await;
        }
        let line = self.line().await?;
        let fields = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(SMALL))]);
        let body = Script::of(2 * SMALL, &self.moved).body();
        match self.send(&line, None, &target, fields, body).await {
            Ok(answer) if answer.is_success() => {
                return Err(Trouble::corrupted(format!(
                    "a body of {} bytes that announces {SMALL} was answered {}",
                    2 * SMALL,
                    answer
                )));
            }
            other => drop(self.answered(other)?),
        }
        self.is_alive(Direction::Up).await?;
        Ok(None)
    }

    async fn larger_over_http1(&self, target: &client::Target) -> Seen {
        let request = self.client.request(Method::PUT, target, HeaderMap::new(), transport::body::empty())?;
        let exchange = async { raw::upload(self.bare(target).await?, &request, SMALL, 2 * SMALL).await };
        let statuses = timeout(self.patience, exchange).await;
        let statuses = statuses.map_err(|_| Trouble::stalled("no answer came"))?.map_err(Trouble::died)?;
        if statuses.iter().filter(|status| (200..300).contains(*status)).count() > 1 {
            return Err(Trouble::corrupted("the bytes beyond the announced length were taken for a request"));
        }
        self.is_alive(Direction::Up).await?;
        Ok(Some(format!("answered {statuses:?}")))
    }
}

fn is_stall(trouble: &Trouble) -> bool {
    trouble.conduct == analyse::Conduct::Stalled
}
