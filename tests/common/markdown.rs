//! Fenced blocks of Markdown.

/// A fenced block: its language and its text.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// Returns the fenced blocks of a page, in their order.
pub fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut lines) = (Vec::new(), page.lines());
    while let Some(fence) = lines.find(|line| line.starts_with("```")) {
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block { language: fence.trim_matches('`').into(), text: text.join("\n") + "\n" });
    }
    blocks
}
