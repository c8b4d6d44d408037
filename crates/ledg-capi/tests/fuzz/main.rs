//! Damaged input to every parser and to the builder: an error or a result, never a panic, within bounded memory.
//!
//! Runs for a second or two each; `LEDG_FUZZ_SECONDS` makes it longer (`.ci/abi fuzz`). Inputs are what was valid, with
//! bytes changed, cut out, repeated and put in from a dictionary, as mutation fuzzers do; the generator is seeded, so that a
//! failure comes again.

use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use ledg::*;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const GRAPH: &str = r#"{"ledg_graph":1,"name":"t","values":[{"name":"x","dtype":"f32","shape":[2,8],"kind":"input"},
    {"name":"y","dtype":"f32","shape":[2,8],"kind":"activation"}],
    "nodes":[{"name":"r","op":"Relu","inputs":["x"],"outputs":["y"],"attrs":{"a":{"ints":[1]}}}],"inputs":["x"],"outputs":["y"]}"#;
const DEVICE: &str = include_str!("../../../configs/hardware/nvidia/t4.toml");
const TEMPLATES: &str = "schema = 1\n[[operator]]\nop = \"com.acme.Lut\"\nclass = \"Act\"\nsentence = \"Lut {kernel}\"\ndims = \"elementwise\"\nflops = \"out_elems * 2\"\n";
const ONNX: &[u8] = include_bytes!("../../../tests/fixtures/resnet18.onnx");
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

#[test]
fn graphs_in_json() {
    fuzz("JSON", |rng| {
        let text = mutate(rng, GRAPH.as_bytes());
        let mut graph = null_mut();
        // SAFETY: a live text and a local place.
        let status = unsafe { ledg_graph_from_json(str(&text), null(), &mut graph, null_mut()) };
        if status == LEDG_OK {
            use_graph(graph);
        }
        status
    });
}

#[test]
fn graphs_in_onnx() {
    fuzz("ONNX", |rng| {
        let bytes = mutate(rng, ONNX);
        let mut graph = null_mut();
        // SAFETY: live bytes and a local place.
        let status = unsafe {
            ledg_graph_from_onnx(str(b"f"), bytes.as_ptr(), bytes.len().max(1), null(), &mut graph, null_mut())
        };
        if status == LEDG_OK {
            use_graph(graph);
        }
        status
    });
}

#[test]
fn hardware_and_templates_in_toml() {
    fuzz("TOML", |rng| {
        let (device, templates) = (mutate(rng, DEVICE.as_bytes()), mutate(rng, TEMPLATES.as_bytes()));
        let (mut registry, mut hw) = (null_mut(), null_mut());
        // SAFETY: live texts and local places; what is made is freed once.
        unsafe {
            assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
            let first = ledg_registry_add_toml(registry, str(b"f.toml"), str(&device), null_mut());
            let second = ledg_hw_from_toml(registry, str(&device), str(b""), &mut hw, null_mut());
            let third = ledg_registry_add_templates(registry, str(b"f.toml"), str(&templates), null_mut());
            ledg_hw_free(hw);
            ledg_registry_free(registry);
            [first, second, third].into_iter().find(|s| [LEDG_E_PANIC, LEDG_E_INTERNAL].contains(s)).unwrap_or(first)
        }
    });
}

#[test]
fn bundles_and_records() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, records) = (dir.path().join("m.ledg"), dir.path().join("r.jsonl"));
    let path = |p: &std::path::Path| p.to_str().unwrap().to_owned();
    // SAFETY: live handles, freed once.
    unsafe {
        let (mut model, mut list, mut graph, mut registry, mut hw) =
            (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
        assert_eq!(ledg_model_default(&mut model, null_mut()), LEDG_OK);
        assert_eq!(ledg_model_save(model, str(path(&bundle).as_bytes()), null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_get(registry, str(b"t4"), &mut hw, null_mut()), LEDG_OK);
        assert_eq!(ledg_graph_from_json(str(GRAPH.as_bytes()), null(), &mut graph, null_mut()), LEDG_OK);
        assert_eq!(ledg_records_new(&mut list, null_mut()), LEDG_OK);
        assert_eq!(ledg_records_push(list, graph, hw, 2, [0.5, 0.25].as_ptr(), 2, null_mut()), LEDG_OK);
        assert_eq!(ledg_records_push_failed(list, graph, hw, 3, str(b"memory"), null_mut()), LEDG_OK);
        assert_eq!(ledg_records_save(list, str(path(&records).as_bytes()), null_mut()), LEDG_OK);
        ledg_records_free(list);
        ledg_graph_free(graph);
        ledg_hw_free(hw);
        ledg_registry_free(registry);
        ledg_model_free(model);
    }
    let (seed_bundle, seed_records) = (std::fs::read(&bundle).unwrap(), std::fs::read(&records).unwrap());
    let damaged = dir.path().join("d.jsonl");
    fuzz("records", |rng| {
        std::fs::write(&damaged, mutate(rng, &seed_records)).unwrap();
        let mut list = null_mut();
        // SAFETY: a live text and a local place; what is made is freed once.
        unsafe {
            let status = ledg_records_load(str(path(&damaged).as_bytes()), null(), &mut list, null_mut());
            ledg_records_free(list);
            status
        }
    });
    // Half of the damage where it counts: the header.
    let header = seed_bundle.len().min(20_000);
    fuzz("bundle", |rng| {
        let bytes = match rng.next_u32() % 2 {
            0 => mutate(rng, &seed_bundle),
            _ => [mutate(rng, &seed_bundle[..header]), seed_bundle[header..].to_vec()].concat(),
        };
        let mut model = null_mut();
        // SAFETY: live bytes and a local place; what is made is freed once.
        unsafe {
            let status = ledg_model_load_bytes(bytes.as_ptr(), bytes.len(), &mut model, null_mut());
            ledg_model_free(model);
            status
        }
    });
}

#[test]
fn builders() {
    let mut model = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_model_default(&mut model, null_mut()) }, LEDG_OK);
    fuzz("builder", |rng| {
        let mut builder = null_mut();
        let names: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"Conv", b"Relu", b"Add", b"\xff"];
        let kinds: [&[u8]; 6] = [b"Conv", b"MatMul", b"Add", b"Reshape", b"Softmax", b"Nonsense"];
        let sizes = [0u64, 1, 2, 3, 64, 1 << 31, u64::MAX];
        // SAFETY: live handles, texts and places; what is made is freed once.
        unsafe {
            assert_eq!(ledg_builder_new(str(b"f"), null(), &mut builder, null_mut()), LEDG_OK);
            let mut worst = LEDG_OK;
            for step in 0..2 + rng.next_u32() % 12 {
                let mut pick = |n: usize| rng.next_u32() as usize % n;
                let dims: Vec<u64> = (0..pick(5)).map(|_| sizes[pick(sizes.len())]).collect();
                let name = format!("{}{step}", pick(30)).into_bytes();
                let name = if pick(4) == 0 { names[pick(8)].to_vec() } else { name };
                let (dtype, mut id) = (pick(24) as i32, 0);
                let status = match pick(6) {
                    0 => ledg_builder_input(builder, str(&name), dtype, dims.as_ptr(), dims.len(), &mut id, null_mut()),
                    1 => {
                        ledg_builder_weight(builder, str(&name), dtype, dims.as_ptr(), dims.len(), &mut id, null_mut())
                    }
                    2 => {
                        let ints = [i64::MIN, -1, 0, 1, i64::MAX, 2, 3, 4];
                        let n = pick(9);
                        ledg_builder_const(
                            builder,
                            str(&name),
                            LEDG_I64,
                            [n as u64].as_ptr(),
                            1,
                            ints.as_ptr(),
                            null(),
                            n,
                            &mut id,
                            null_mut(),
                        )
                    }
                    5 => ledg_builder_output(builder, pick(12) as u32, null_mut()),
                    _ => {
                        let inputs: Vec<u32> =
                            (0..pick(4)).map(|_| if pick(9) == 0 { LEDG_NO_VALUE } else { pick(8) as u32 }).collect();
                        let ints = [i64::MIN, 0, 1, 3];
                        let attr = ledg_attr {
                            name: str([b"pads".as_slice(), b"axis", b"group", b"perm"][pick(4)]),
                            ints: ints.as_ptr(),
                            floats: null(),
                            strs: null(),
                            len: pick(5),
                            kind: pick(7) as i32,
                            reserved: 0,
                        };
                        let output =
                            ledg_tensor { name: str(&name), dims: dims.as_ptr(), rank: dims.len(), dtype, reserved: 0 };
                        let op = ledg_op {
                            struct_size: size_of::<ledg_op>(),
                            domain: str(b""),
                            kind: str(kinds[pick(6)]),
                            name: str(&name),
                            inputs: inputs.as_ptr(),
                            n_inputs: inputs.len(),
                            outputs: &output,
                            n_outputs: 1,
                            attrs: &attr,
                            n_attrs: pick(2),
                        };
                        ledg_builder_op(builder, &op, &mut id, null_mut())
                    }
                };
                worst = worst.min(status);
            }
            let mut graph = null_mut();
            let status = ledg_builder_finish(builder, &mut graph, null_mut());
            ledg_builder_free(builder);
            if status != LEDG_OK {
                return status.min(worst);
            }
            let (mut share, mut unknown) = (0.0, 0);
            let status = ledg_graph_coverage(model, graph, &mut share, &mut unknown, null_mut());
            use_graph(graph);
            if worst == LEDG_E_PANIC { worst } else { status }
        }
    });
    // SAFETY: made above, freed once.
    unsafe { ledg_model_free(model) };
}

/// Edits that may make no sense, of a graph that they change more and more.
#[test]
fn sessions() {
    let (mut model, mut registry, mut hw, mut graph, mut single) =
        (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    // SAFETY: live handles and local places.
    unsafe {
        assert_eq!(ledg_model_default(&mut model, null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_get(registry, str(b"t4"), &mut hw, null_mut()), LEDG_OK);
        let made = ledg_graph_from_onnx(str(b"f"), ONNX.as_ptr(), ONNX.len(), null(), &mut graph, null_mut());
        assert_eq!(made, LEDG_OK);
        assert_eq!(ledg_graph_with_batch(graph, 1, &mut single, null_mut()), LEDG_OK);
        ledg_graph_free(graph);
    }
    let mut names: Vec<Vec<u8>> = [&b""[..], b"nobody", b"n1", b"v1", b"\xff"].map(<[u8]>::to_vec).to_vec();
    let json: serde_json::Value = {
        let mut text = null_mut();
        // SAFETY: a live graph; the text is copied and freed.
        unsafe {
            assert_eq!(ledg_graph_to_json(single, &mut text, null_mut()), LEDG_OK);
            let view = ledg_string_view(text);
            let json = serde_json::from_slice(std::slice::from_raw_parts(view.data.cast(), view.len)).unwrap();
            ledg_string_free(text);
            json
        }
    };
    for list in ["nodes", "values"] {
        let all = json[list].as_array().unwrap().iter();
        names.extend(all.map(|item| item["name"].as_str().unwrap().as_bytes().to_vec()));
    }
    let kinds: [&[u8]; 8] = [b"Conv", b"MatMul", b"Add", b"Relu", b"BatchNormalization", b"Identity", b"Nonsense", b""];
    let sizes = [0u64, 1, 1, 2, 64, 1 << 31, u64::MAX];
    let ints = [i64::MIN, 0, 1, 3];
    let mut session: *mut ledg_session = null_mut();
    let mut age = 0;
    fuzz("session", |rng| {
        let mut pick = |n: usize| rng.next_u32() as usize % n;
        // SAFETY: live handles, texts and places; what is made is freed once.
        unsafe {
            if session.is_null() || age > 60 {
                ledg_session_free(session);
                age = 0;
                let made =
                    ledg_session_new(model, single, (&raw const hw).cast(), 1, null(), 0, &mut session, null_mut());
                assert_eq!(made, LEDG_OK);
            }
            age += 1;
            let dims: Vec<u64> = (0..pick(6)).map(|_| sizes[pick(sizes.len())]).collect();
            let inputs: Vec<ledg_str> = (0..1 + pick(3)).map(|_| str(&names[pick(names.len())])).collect();
            let attr = ledg_attr {
                name: str([b"pads".as_slice(), b"axis", b"group", b"strides"][pick(4)]),
                ints: ints.as_ptr(),
                floats: null(),
                strs: null(),
                len: pick(5),
                kind: pick(7) as i32,
                reserved: 0,
            };
            let edits: Vec<ledg_edit> = (0..1 + pick(3))
                .map(|_| ledg_edit {
                    kind: pick(7) as i32,
                    dtype: pick(24) as i32,
                    node: str(&names[pick(names.len())]),
                    value: str(&names[pick(names.len())]),
                    replaces: str(&names[[0, pick(names.len())][pick(2)]]),
                    domain: str(b""),
                    op: str(kinds[pick(8)]),
                    attrs: &attr,
                    n_attrs: pick(2),
                    inputs: inputs.as_ptr(),
                    n_inputs: pick(1 + inputs.len()),
                    dims: dims.as_ptr(),
                    rank: dims.len(),
                    reserved: 0,
                })
                .collect();
            let candidate = ledg_candidate { edits: edits.as_ptr(), n_edits: edits.len() };
            let (mut latency_s, mut status) = (0.0, 0);
            let mut columns: ledg_columns = std::mem::zeroed();
            columns.struct_size = size_of::<ledg_columns>();
            (columns.len, columns.latency_s, columns.status) = (1, &mut latency_s, &mut status);
            let mut opts: ledg_predict_opts = std::mem::zeroed();
            (opts.struct_size, opts.flags) = (size_of::<ledg_predict_opts>(), LEDG_PREDICT_UNKNOWN);
            let called = ledg_session_predict(session, &candidate, 1, &opts, &columns, null_mut());
            if called != LEDG_OK {
                return called;
            }
            assert!(status != LEDG_OK || latency_s.is_finite());
            if pick(4) > 0 {
                return status;
            }
            let applied = ledg_session_apply(session, &candidate, null_mut());
            assert!(applied == LEDG_OK || status != LEDG_OK || applied == LEDG_E_GRAPH, "{status}, but {applied}");
            if applied == LEDG_OK { status } else { applied }
        }
    });
    // SAFETY: made above, freed once.
    unsafe {
        ledg_session_free(session);
        ledg_graph_free(single);
        ledg_hw_free(hw);
        ledg_registry_free(registry);
        ledg_model_free(model);
    }
}
