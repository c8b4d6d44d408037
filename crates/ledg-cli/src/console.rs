//! Stderr: errors, warnings, notes, and the progress bar that they must not tear.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Writes to stderr. A stderr that is closed is no reason to fail.
pub struct Console {
    bar: ProgressBar,
}

impl Console {
    /// Without a progress bar.
    pub fn new() -> Self {
        Console { bar: ProgressBar::hidden() }
    }

    /// With a bar of that many steps; it shows on a terminal only.
    pub fn with_bar(steps: usize, unit: &str) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{rate}}, {{elapsed}} gone, {{eta}} to go");
        // A template that does not parse leaves the default look.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.with_key("rate", rate));
        }
        Console { bar }
    }

    /// One step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// That many steps were done before.
    pub fn skip(&self, steps: usize) {
        self.bar.set_position(steps as u64);
        self.bar.reset_eta();
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Does what writes to the terminal while the bar is out of the way.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Something failed.
    pub fn error(&self, message: &str) {
        self.line("error", message);
    }

    /// An answer is less sure than it looks.
    pub fn warn(&self, message: &str) {
        self.line("warning", message);
    }

    /// Something the user may not have meant.
    pub fn note(&self, message: &str) {
        self.line("note", message);
    }

    fn line(&self, kind: &str, message: &str) {
        self.aside(|| {
            let _ = writeln!(io::stderr(), "{kind}: {}", harmless(message));
        });
    }
}

/// A message whose names, which come from files, do nothing to a terminal.
fn harmless(message: &str) -> String {
    let clean = |c: char| if c.is_control() && !"\n\t".contains(c) { char::REPLACEMENT_CHARACTER } else { c };
    message.chars().map(clean).collect()
}

/// Steps a second, without decimals.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // A text that cannot be written is no reason to fail.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

/// An error with its causes on one line. A cause that its effect already quotes is not said twice.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
