//! A bounded queue of lines, which one thread writes.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// The most lines that wait for a slow writer. A line of the access log has at most some 2,500 bytes.
const MOST: usize = 1024;

/// The time in which the last lines must be written once nobody adds further ones.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A queue of lines for a writer that may be slow, such as stderr. Clones share the queue.
///
/// A thread writes the lines. If the writer cannot keep up, lines are lost rather than their authors delayed.
#[derive(Clone)]
pub struct LineQueue(Arc<Authors>);

/// The authors of lines. Once all of them are dropped, the last lines may take [`LAST_LINES`].
struct Authors(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    /// True while the thread writes a line, which is no longer in `lines`.
    is_writing: bool,
    /// The number of lost lines that no line has stated.
    lost: u64,
    /// True once no author is left.
    is_closed: bool,
}

impl State {
    /// Adds a line that states `stated` lost lines.
    fn push(&mut self, line: String, stated: u64) {
        if self.lines.len() < MOST {
            self.lines.push_back(line);
        } else {
            self.lost = self.lost.saturating_add(stated).saturating_add(1);
        }
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }
}

impl LineQueue {
    /// Returns a queue of lines for `writer`.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let written = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || written.write_to(writer))?;
        Ok(Self(Arc::new(Authors(queue))))
    }

    /// Adds a line, which includes its line break. The line is lost if too many lines wait.
    pub fn push(&self, line: String) {
        self.queue().lock().push(line, 0);
        self.queue().changed.notify_all();
    }

    /// Adds the line that `line` makes of the number of lines that were lost before it, and that no line has stated.
    pub fn push_stating(&self, line: impl FnOnce(u64) -> Option<String>) {
        let lost = mem::take(&mut self.queue().lock().lost);
        if let Some(line) = line(lost) {
            self.queue().lock().push(line, lost);
            self.queue().changed.notify_all();
        }
    }

    /// Waits until all lines are written, for `limit` at most.
    pub fn wait(&self, limit: Duration) {
        self.queue().wait(limit);
    }

    fn queue(&self) -> &Queue {
        &self.0.0
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines as they come, until no author is left. The lock is not held meanwhile.
    fn write_to(&self, mut writer: impl Write) {
        while let Some(line) = self.next() {
            // There is no other place to report a failing writer.
            let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for a line. Returns `None` once no line is left and none will follow.
    fn next(&self) -> Option<String> {
        let waits = |state: &mut State| state.lines.is_empty() && !state.is_closed;
        let waited = self.changed.wait_while(self.lock(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let line = state.lines.pop_front();
        state.is_writing = line.is_some();
        line
    }

    fn wait(&self, limit: Duration) {
        drop(self.changed.wait_timeout_while(self.lock(), limit, |state| !state.is_idle()));
    }
}

impl Drop for Authors {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
        self.0.wait(LAST_LINES);
    }
}

impl fmt::Debug for LineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineQueue")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use metrics::Stamp;

    use super::*;

    /// A writer that waits for a permit before each line.
    struct Gated(Receiver<()>, Sender<String>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns a queue, the permits to write its lines, and the written lines.
    fn gated() -> (LineQueue, Sender<()>, Receiver<String>) {
        let ((permits, permitted), (writer, written)) = (channel(), channel());
        (LineQueue::to(Gated(permitted, writer)).unwrap(), permits, written)
    }

    #[test]
    fn lines_beyond_the_bound_are_lost_and_the_next_line_states_all_of_them() {
        let (queue, permits, written) = gated();
        queue.push("first".into());
        let taken = || !queue.queue().lock().lines.is_empty();
        while taken() {
            thread::yield_now();
        }
        for _ in 0..MOST + 5 {
            queue.push("line".into());
        }
        // A line that states lost lines is lost itself.
        queue.push_stating(|lost| Some(lost.to_string()));
        drop(permits);
        queue.wait(Duration::from_secs(60));
        queue.push_stating(|lost| Some(lost.to_string()));
        queue.wait(Duration::from_secs(60));
        let written: Vec<String> = written.try_iter().collect();
        assert_eq!((written.len(), written.last().map(String::as_str)), (MOST + 2, Some("6")));
    }

    #[test]
    fn a_writer_that_takes_nothing_is_waited_for_a_second_at_the_end() {
        let (queue, _permits, written) = gated();
        queue.push("line".into());
        let began = Stamp::now();
        queue.wait(Duration::from_millis(10));
        drop(queue);
        assert!((LAST_LINES..LAST_LINES * 10).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(written.try_recv().is_err());
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (queue, permits, written) = gated();
        drop(permits);
        (0..100).for_each(|number| queue.push(number.to_string()));
        drop(queue);
        assert_eq!(written.try_iter().count(), 100);
    }
}
