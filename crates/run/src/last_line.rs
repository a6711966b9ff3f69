//! The last line of a child's standard error, which often states why the child failed.

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::JoinHandle,
};

/// The length of the end of the output that is searched, in bytes.
const KEPT: usize = 16 << 10;

/// Starts a task that reads an output to its end and yields its last line that may state a reason. The task ends when
/// no process has the output open. Memory is bounded: a line longer than 16 KiB loses its beginning.
pub fn last_line(mut output: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut kept, mut block) = (Vec::new(), vec![0; KEPT]);
        while let Ok(read @ 1..) = output.read(&mut block).await {
            kept.extend_from_slice(block.get(..read).unwrap_or_default());
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
        let text = String::from_utf8_lossy(&kept);
        quoted(&text).to_owned()
    })
}

/// Returns the last line that is not blank, and that does not refer to the help of the program, as curl's last line does.
fn quoted(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let last = lines.clone().next_back().unwrap_or_default();
    lines.rfind(|line| !line.contains("--help")).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_is_found_behind_blank_ones_and_whatever_came_before() {
        let found = async |text: String| last_line(std::io::Cursor::new(text)).await.unwrap();
        assert_eq!(found("first\nlast\n\n  \n".into()).await, "last");
        assert_eq!(found("no end".into()).await, "no end");
        assert_eq!(found("out of memory\ntry 'curl --help'\n".into()).await, "out of memory");
        assert_eq!(found("see --help".into()).await, "see --help");
        assert_eq!(found(String::new()).await, "");
        assert_eq!(found("x".repeat(1 << 20) + "\nlast").await, "last");
        assert_eq!(found("y".repeat(1 << 20)).await.len(), KEPT, "memory is bounded");
    }
}
