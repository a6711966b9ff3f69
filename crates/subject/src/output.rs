//! The output of a program under proof: the last line of its standard error, and a text that shows that it is ready.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use run::last_line;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, ReadBuf},
    process::Child,
    task::JoinHandle,
};

/// The bytes that are read at once.
const BLOCK: usize = 4 << 10;

/// The output of a running program, read by tasks that end when no process has it open.
pub(crate) struct Output {
    last_line: Option<JoinHandle<String>>,
    has_matched: Arc<AtomicBool>,
}

impl Output {
    /// Reads the output of a child from now on. `awaited` is looked for in both streams.
    pub(crate) fn of(child: &mut Child, awaited: Option<&str>) -> Self {
        let has_matched = Arc::<AtomicBool>::default();
        let search = || Search::new(awaited.unwrap_or_default(), has_matched.clone());
        if let Some(mut stdout) = child.stdout.take() {
            let mut search = search();
            tokio::spawn(async move {
                let mut block = vec![0; BLOCK];
                while let Ok(read @ 1..) = stdout.read(&mut block).await {
                    search.pass(block.get(..read).unwrap_or_default());
                }
            });
        }
        let last_line = child.stderr.take().map(|stderr| match awaited {
            Some(_) => last_line(Searched { stream: stderr, search: search() }),
            None => last_line(stderr),
        });
        Self { last_line, has_matched }
    }

    /// Returns whether the awaited text has been printed.
    pub(crate) fn has_matched(&self) -> bool {
        self.has_matched.load(Ordering::Relaxed)
    }

    /// Waits for the end of standard error, and returns its last line. Later calls return an empty line.
    pub(crate) async fn last_line(&mut self) -> String {
        match self.last_line.take() {
            Some(line) => line.await.unwrap_or_default(),
            None => String::new(),
        }
    }
}

/// The search for a text in a stream that arrives in pieces.
struct Search {
    text: Vec<u8>,
    /// The last bytes that have passed: at most one byte fewer than the text has.
    end: Vec<u8>,
    found: Arc<AtomicBool>,
}

impl Search {
    fn new(text: &str, found: Arc<AtomicBool>) -> Self {
        Self { text: text.into(), end: Vec::new(), found }
    }

    fn pass(&mut self, piece: &[u8]) {
        if self.text.is_empty() || self.found.load(Ordering::Relaxed) {
            return;
        }
        self.end.extend_from_slice(piece);
        if self.end.windows(self.text.len()).any(|part| part == self.text) {
            self.found.store(true, Ordering::Relaxed);
        }
        self.end.drain(..self.end.len().saturating_sub(self.text.len() - 1));
    }
}

/// A stream whose bytes pass a search while they are read.
struct Searched<R> {
    stream: R,
    search: Search,
}

impl<R: AsyncRead + Unpin> AsyncRead for Searched<R> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = std::pin::Pin::new(&mut self.stream).poll_read(context, buffer);
        self.search.pass(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces_and_memory_stays_bounded() {
        let found = |text: &str, pieces: &[&str]| {
            let mut search = Search::new(text, Arc::default());
            pieces.iter().for_each(|piece| search.pass(piece.as_bytes()));
            assert!(search.end.len() < text.len().max(1));
            search.found.load(Ordering::Relaxed)
        };
        assert!(found("listening on", &["2026 liste", "ni", "ng on :8080\n"]));
        assert!(found("x", &["aaa", "axb"]) && !found("xx", &["x", "ax", "bx"]));
        assert!(!found("", &["anything"]), "nothing is awaited");
    }
}
