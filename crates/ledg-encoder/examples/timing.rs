//! Measures loading, embedding and look-ups: `cargo run --release -p ledg-encoder --example timing`
//!
//! Set `RAYON_NUM_THREADS=1` for the figures of one core. Resident memory is read from /proc, so on Linux only.

use std::time::Instant;

use anyhow::Result;
use ledg_encoder::{Encoder, SentenceTable};

fn main() -> Result<()> {
    let sentences: Vec<String> = (0..256).map(|i| format!("ParamL Conv {} groups {}", i % 16, i / 16)).collect();
    let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();

    report("start", 1, || Ok(()))?;
    let encoder = Encoder::pretrained()?;
    report("first sentence, with loading", 1, || encoder.embed(&["Act Relu"]).map(drop))?;
    report("a sentence, one at a time", 64, || texts[..64].iter().try_for_each(|s| encoder.embed(&[s]).map(drop)))?;
    report("a sentence, in one call of 192", 192, || encoder.embed(&texts[64..]).map(drop))?;
    report("a sentence, from the memo", 256, || encoder.embed(&texts).map(drop))?;

    let bytes = SentenceTable::build(&encoder, &sentences)?.to_bytes()?;
    let mut table = None;
    report("a table's row, read", 256, || SentenceTable::from_bytes(&bytes).map(|t| table = Some(t)))?;
    let Some(table) = table else { return Ok(()) };
    let encoder = Encoder::pretrained()?.with_table(table)?;
    report("a sentence, from the table", 256, || encoder.embed(&texts).map(drop))?;

    let random = Encoder::random(1);
    report("random twin: first sentence, with loading", 1, || random.embed(&["Act Relu"]).map(drop))
}

fn report(what: &str, n: u32, work: impl FnOnce() -> ledg_encoder::Result<()>) -> Result<()> {
    let start = Instant::now();
    work()?;
    let each_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(n);
    println!("{what:45} {each_us:12.1} us   {:4} MB resident", resident_bytes() / 1_000_000);
    Ok(())
}

/// Zero where there is no /proc.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    pages * 4096
}
