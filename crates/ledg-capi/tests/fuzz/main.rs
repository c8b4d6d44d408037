//! Damaged input to every parser and to the builder: an error or a result, never a panic, within bounded memory.
//!
//! Runs for a second or two each; `LEDG_FUZZ_SECONDS` makes it longer (`.ci/abi fuzz`). Inputs are what was valid, with
//! bytes changed, cut out, repeated and put in from a dictionary, as mutation fuzzers do; the generator is seeded, so that a
//! failure comes again.

mod builders;
mod nesting;
mod parsers;
mod schedules;

use std::ptr::null_mut;
use std::time::{Duration, Instant};

use ledg::*;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const GRAPH: &str = r#"{"ledg_graph":1,"name":"t","values":[{"name":"x","dtype":"f32","shape":[2,8],"kind":"input"},
    {"name":"y","dtype":"f32","shape":[2,8],"kind":"activation"}],
    "nodes":[{"name":"r","op":"Relu","inputs":["x"],"outputs":["y"],"attrs":{"a":{"ints":[1]}}}],"inputs":["x"],"outputs":["y"]}"#;
const ONNX: &[u8] = include_bytes!("../../../../tests/fixtures/resnet18.onnx");
const DICTIONARY: [&[u8]; 14] = [
    b"\"",
    b"{",
    b"[",
    b"]]",
    b"1e999",
    b"-1",
    b"18446744073709551615",
    b"9007199254740993",
    b"\xff\xff\xff\xff\xff\x7f",
    b"[[source]]",
    b"\\u0000",
    b"nan",
    b"\0",
    b"(((((((((((((((((",
];
/// Most the process may hold, bytes: the model and its language model take most of it.
const MEMORY: u64 = 2 << 30;

fn mutate(rng: &mut ChaCha8Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + rng.next_u32() % 6 {
        if bytes.is_empty() {
            break;
        }
        let at = rng.next_u32() as usize % bytes.len();
        let until = (at + 1 + rng.next_u32() as usize % 64).min(bytes.len());
        match rng.next_u32() % 6 {
            0 => bytes[at] = rng.next_u32() as u8,
            1 => bytes[at] ^= 1 << (rng.next_u32() % 8),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let part = bytes[at..until].to_vec();
                bytes.splice(at..at, part);
            }
            4 => bytes.truncate(at),
            _ => {
                let word = DICTIONARY[rng.next_u32() as usize % DICTIONARY.len()];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

fn str(bytes: &[u8]) -> ledg_str {
    ledg_str { data: bytes.as_ptr().cast(), len: bytes.len() }
}

/// Runs damaged input through a call for its share of the time.
fn fuzz(name: &str, mut call: impl FnMut(&mut ChaCha8Rng) -> ledg_status) {
    let seconds = std::env::var("LEDG_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1.5);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (start, mut runs, mut good) = (Instant::now(), 0u64, 0u64);
    while start.elapsed() < Duration::from_secs_f64(seconds) {
        let status = call(&mut rng);
        assert!(status != LEDG_E_PANIC && status != LEDG_E_INTERNAL, "{name}, run {runs}: status {status}");
        good += u64::from(status == LEDG_OK);
        runs += 1;
    }
    println!("{name}: {runs} runs, {good} of them valid");
    assert!(runs > 0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().strip_suffix(" kB"));
    if let Some(peak) = peak.and_then(|kb| kb.trim().parse::<u64>().ok()) {
        assert!(peak * 1024 < MEMORY, "{name}: {peak} kB");
    }
}

/// Asks a graph that was read for everything that could trip over it.
fn use_graph(graph: *mut ledg_graph) {
    // SAFETY: a graph that was just made, freed once.
    unsafe {
        let mut text = null_mut();
        if ledg_graph_to_json(graph, &mut text, null_mut()) == LEDG_OK {
            ledg_string_free(text);
        }
        let mut other = null_mut();
        if ledg_graph_with_batch(graph, 3, &mut other, null_mut()) == LEDG_OK {
            ledg_graph_free(other);
        }
        ledg_graph_free(graph);
    }
}
