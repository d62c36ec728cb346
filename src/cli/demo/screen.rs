//! What the demo writes: plain text, with colour where a terminal shows it.

use std::io::{IsTerminal as _, Write as _};

/// Writes to standard output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    colour: bool,
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    /// A heading.
    Bold,
    /// What has changed.
    Green,
    /// What may be passed over.
    Dim,
}

impl Screen {
    /// Colour only on a terminal, and not where `NO_COLOR` is set.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    pub(super) fn line(self, text: &str) {
        write(text);
    }

    pub(super) fn styled(self, style: Style, text: &str) {
        write(&self.paint(style, text));
    }

    /// A heading with an empty line before and after.
    pub(super) fn heading(self, text: &str) {
        write(&format!("\n{}\n", self.paint(Style::Bold, text)));
    }

    /// Text, set in by four spaces.
    pub(super) fn block(self, style: Option<Style>, text: &str) {
        for line in text.lines() {
            match style {
                Some(style) => write(&format!("    {}", self.paint(style, line))),
                None => write(&format!("    {line}")),
            }
        }
    }

    /// A change of a manifest, as a diff shows it.
    pub(super) fn change(self, context: &str, gone: &str, new: &[&str]) {
        self.block(Some(Style::Dim), &format!("  {context}\n-  {gone}"));
        for line in new {
            self.block(Some(Style::Green), &format!("+  {line}"));
        }
    }

    /// Lines in columns; those that are marked stand out, also without colour.
    pub(super) fn table(self, head: &[&str], lines: &[(bool, Vec<String>)]) {
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let all = || std::iter::once(&head).chain(lines.iter().map(|(_, line)| line));
        let width = |column: usize| {
            all()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let lay_out = |line: &[String]| -> String {
            let cells = line
                .iter()
                .enumerate()
                .map(|(column, cell)| format!("{cell:0$}   ", width(column).unwrap_or(0)));
            cells.collect::<String>().trim_end().to_owned()
        };
        write(&format!("    {}", self.paint(Style::Dim, &lay_out(&head))));
        for (marked, line) in lines {
            if *marked {
                write(&format!(
                    "  {}",
                    self.paint(Style::Green, &format!("> {}", lay_out(line)))
                ));
            } else {
                write(&format!("    {}", lay_out(line)));
            }
        }
    }

    fn paint(self, style: Style, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Green => "32",
            Style::Dim => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// One line. Who reads may have gone, as `head` does: the story goes on, since its end says whether it was true.
fn write(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
