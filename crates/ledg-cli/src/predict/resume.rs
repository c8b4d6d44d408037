//! Answers in a file that a stopped run can go on with.
//!
//! Rows go to `FILE.partial`; `FILE.partial.state` says how many of them, and of its bytes, are safe, and of which question
//! they are. What was written after that is cut off when the run goes on. When all is there, the file is renamed.
//!
//! **Invariant:** `FILE` is never there in part; rows of another question are never mixed in, nor those of another run: the partial
//! file is locked as long as one writes it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fs4::{FileExt, TryLockError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rows::{Row, write_header, write_row};
use crate::args::RowFormat;
use crate::model_file::read_text;
use ledg_cost_model::write_file;

/// Rows between two states: what a stopped run loses at most.
const ROWS_BETWEEN_STATES: usize = 256;
const STATE_VERSION: u32 = 1;
const MAX_STATE_BYTES: u64 = 4096;

/// What of the partial file is safe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    /// Hash of all that the rows depend on.
    question: String,
    rows: usize,
    /// Of these, rows without an answer.
    failed: usize,
    bytes: u64,
}

/// The file, as far as it is written.
pub(super) struct PartialFile {
    path: PathBuf,
    partial: PathBuf,
    state_path: PathBuf,
    format: RowFormat,
    out: BufWriter<Counted>,
    state: State,
    unsafe_rows: usize,
}

/// A file that knows how long it is.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The hash of all that rows depend on.
pub(super) fn question(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths keep parts apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl PartialFile {
    /// Begins the file anew, or goes on with what a run of the same question left.
    pub fn open(path: &Path, format: RowFormat, question: String, resume: bool) -> anyhow::Result<Self> {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (partial, state_path) = (beside(".partial"), beside(".partial.state"));
        // Found out before all rows are computed, not when the file gets its name.
        if path.is_dir() {
            bail!("{}: is a folder", path.display());
        }
        let mut file =
            OpenOptions::new().create(true).append(true).open(&partial).with_context(|| unwritable(&partial))?;
        locked(&file, &partial)?;
        let fresh = State { version: STATE_VERSION, question, rows: 0, failed: 0, bytes: 0 };
        let state = match state_path.try_exists().with_context(|| state_path.display().to_string())? {
            false => fresh,
            true if !resume => bail!(
                "{}: a run that was stopped left it: `--resume` goes on with it, to begin anew delete it",
                state_path.display()
            ),
            true => left_over(&state_path, fresh)?,
        };
        if file.metadata().with_context(|| unwritable(&partial))?.len() < state.bytes {
            bail!("{}: shorter than its state says: delete it and its state to begin anew", partial.display());
        }
        file.set_len(state.bytes).and_then(|()| file.flush()).with_context(|| unwritable(&partial))?;
        let out = BufWriter::new(Counted { file, bytes: state.bytes });
        let mut this = PartialFile { path: path.to_owned(), partial, state_path, format, out, state, unsafe_rows: 0 };
        if this.state.bytes == 0 {
            write_header(format, &mut this.out)?;
            this.save_state()?;
        }
        Ok(this)
    }

    /// Rows that are there, and how many of them failed.
    pub fn rows(&self) -> (usize, usize) {
        (self.state.rows, self.state.failed)
    }

    /// Takes the next row.
    pub fn push(&mut self, row: &Row) -> anyhow::Result<()> {
        write_row(self.format, row, &mut self.out)?;
        self.state.rows += 1;
        self.state.failed += usize::from(row.error.is_some());
        self.unsafe_rows += 1;
        if self.unsafe_rows == ROWS_BETWEEN_STATES {
            self.save_state()?;
        }
        Ok(())
    }

    fn save_state(&mut self) -> anyhow::Result<()> {
        self.out.flush().with_context(|| unwritable(&self.partial))?;
        self.out.get_ref().file.sync_data().with_context(|| unwritable(&self.partial))?;
        self.state.bytes = self.out.get_ref().bytes;
        self.unsafe_rows = 0;
        Ok(write_file(&self.state_path, serde_json::to_string(&self.state)?.as_bytes())?)
    }

    /// Gives the complete file its name.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.save_state()?;
        std::fs::rename(&self.partial, &self.path).with_context(|| unwritable(&self.path))?;
        std::fs::remove_file(&self.state_path).with_context(|| self.state_path.display().to_string())
    }
}

/// Locks the partial file for this run; the lock ends with the file.
fn locked(file: &File, partial: &Path) -> anyhow::Result<()> {
    let name = partial.display();
    match FileExt::try_lock(file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("{name}: another run is writing it: wait for it, or stop it"),
        // Some network file systems have no locks: runs there are told apart by nobody.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("{name}: cannot be locked")),
    }
    // A run that was just finishing has given the file its final name.
    if !partial.try_exists().with_context(|| unwritable(partial))? {
        bail!("{name}: another run has just finished it");
    }
    Ok(())
}

fn unwritable(path: &Path) -> String {
    format!("{}: cannot be written", path.display())
}

/// The state that a stopped run left, if it is of the same question.
fn left_over(path: &Path, fresh: State) -> anyhow::Result<State> {
    let text = read_text(path, MAX_STATE_BYTES)?;
    let name = path.display();
    let state: State =
        serde_json::from_str(&text).with_context(|| format!("{name}: not the state of a run: delete it"))?;
    if state.version != fresh.version || state.question != fresh.question {
        bail!("{name}: of another question (jobs, options, model or version differ): delete it to begin anew");
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(graph: &str) -> Row {
        Row {
            graph: graph.into(),
            hardware: "t4".into(),
            batch: Some(1),
            latency_s: Some(0.5),
            lo_s: Some(0.25),
            hi_s: Some(1.0),
            known: Some(1.0),
            error: None,
            nodes: None,
            platform: None,
            measured: true,
            measured_as_run: true,
            calibrated: false,
        }
    }

    #[test]
    fn what_is_not_safe_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers.csv");
        let partial = dir.path().join("answers.csv.partial");
        let names: Vec<String> = (0..600).map(|i| format!("g{i}")).collect();
        let open = |question: &str, resume| PartialFile::open(&path, RowFormat::Csv, question.into(), resume);
        let mut file = open("q", true).unwrap();
        names[..300].iter().for_each(|name| file.push(&row(name)).unwrap());
        // Stopped: what is buffered is lost, a torn row is at the end.
        let PartialFile { out, .. } = file;
        drop(out.into_parts());
        OpenOptions::new().append(true).open(&partial).unwrap().write_all(b"g256,t4,1,0.").unwrap();
        assert!(open("q", false).is_err_and(|e| e.to_string().contains("--resume")));
        assert!(open("other", true).is_err_and(|e| e.to_string().contains("another question")));
        let mut file = open("q", true).unwrap();
        assert!(open("q", true).is_err_and(|e| e.to_string().contains("another run is writing it")));
        assert_eq!(file.rows(), (256, 0));
        names[256..].iter().for_each(|name| file.push(&row(name)).unwrap());
        assert!(!path.exists());
        file.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("graph,hardware,batch,latency_s,lo_s,hi_s,known,error"));
        let graphs: Vec<&str> = lines.map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(graphs, names);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn parts_of_a_question_are_kept_apart() {
        assert_ne!(question(&[b"ab", b"c"]), question(&[b"a", b"bc"]));
    }
}
