//! The jobs file: a CSV of graph, hardware and batch.
//!
//! **Invariant:** what is wrong with the file fails the command, what is wrong with a row fails that row.

use std::path::Path;

use anyhow::{Context, bail};
use csv::ByteRecord;

use super::engine::{Ask, Job};
use super::platforms::Platforms;
use crate::console::{Console, message};
use crate::model_file::{find_graph, from_folder};

/// Most rows of a jobs file; they are held in memory.
const MAX_ROWS: usize = 1_000_000;
const COLUMNS: [&str; 3] = ["graph", "hardware", "batch"];

/// Reads the rows of a jobs file. Those that make no sense become jobs that are failed already.
pub fn read(
    file: &Path,
    rows: &[u8],
    graphs: &Path,
    platforms: &mut Platforms,
    console: &Console,
) -> anyhow::Result<Vec<Job>> {
    let name = file.display().to_string();
    if !graphs.is_dir() {
        bail!("--graphs {}: there is no such folder", graphs.display());
    }
    let mut reader = csv::ReaderBuilder::new()
        // Rows of another length are reported one by one.
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(rows);
    let header = reader.byte_headers().with_context(|| format!("{name}: no CSV"))?.clone();
    let columns = Columns::find(&name, &header, console)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut jobs = Vec::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).with_context(|| format!("{name}: no CSV"))? {
        if jobs.len() == MAX_ROWS {
            bail!("{name}: more than {MAX_ROWS} rows: split the file");
        }
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("{name}:{line}");
        let [graph, hardware, batch] = columns.0.map(|at| String::from_utf8_lossy(record.get(at).unwrap_or_default()));
        let parsed = if record.len() == header.len() {
            parse_batch(&batch).with_context(|| place.clone())
        } else {
            Err(anyhow::anyhow!("{place}: {} fields where the header has {}", record.len(), header.len()))
        };
        let batch = parsed.as_ref().ok().copied().flatten();
        let ask = parsed.and_then(|_| {
            let path = find_graph(graphs, &graph).with_context(|| place.clone())?;
            let platform = platforms.resolve(&from_folder(folder, &hardware)).with_context(|| place.clone())?;
            Ok(Ask { path, platform })
        });
        let ask = ask.map_err(|e| message(&e));
        jobs.push(Job { graph: graph.into_owned(), hardware: hardware.into_owned(), batch, ask });
    }
    Ok(jobs)
}

/// Where the columns are.
struct Columns([usize; 3]);

impl Columns {
    fn find(file: &str, header: &ByteRecord, console: &Console) -> anyhow::Result<Columns> {
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        let mut at = [0; 3];
        for (place, wanted) in at.iter_mut().zip(COLUMNS) {
            let mut found = (0..names.len()).filter(|&k| names[k] == wanted);
            *place = found.next().with_context(|| {
                let has = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
                format!("{file}: column `{wanted}` is missing: the first line must name the columns graph, hardware and batch, it has {has}")
            })?;
            if found.next().is_some() {
                bail!("{file}: column `{wanted}` occurs twice");
            }
        }
        let extra: Vec<&str> = names.iter().map(|n| n.as_ref()).filter(|n| !COLUMNS.contains(n)).collect();
        if !extra.is_empty() {
            console.note(&format!("{file}: columns that mean nothing here are ignored: {}", extra.join(", ")));
        }
        Ok(Columns(at))
    }
}

fn parse_batch(text: &str) -> anyhow::Result<Option<u64>> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(Some(n)),
        Err(_) if text.is_empty() => Ok(None),
        _ => bail!("batch `{text}` is no batch size: expected a whole number from 1, or nothing for the graph's own"),
    }
}
