//! Texts and files: graphs, hardware, templates, bundles, records.

use std::collections::BTreeMap;
use std::ptr::{null, null_mut};

use ledg::*;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};

use crate::{GRAPH, ONNX, fuzz, mutate, str, use_graph};

const DEVICE: &str = include_str!("../../../../configs/hardware/nvidia/t4.toml");
const TEMPLATES: &str = "schema = 1\n[[operator]]\nop = \"com.acme.Lut\"\nclass = \"Act\"\nsentence = \"Lut {kernel}\"\ndims = \"elementwise\"\nflops = \"out_elems * 2\"\n";

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
    // Under a name of its own, so that it is not refused for being there already.
    let device = DEVICE.replace("nvidia-t4", "acme-one").replace(r#"aliases = ["t4", "tesla-t4"]"#, "aliases = []");
    let mut registry: *mut ledg_registry = null_mut();
    fuzz("TOML", |rng| {
        let (device, templates) = (mutate(rng, device.as_bytes()), mutate(rng, TEMPLATES.as_bytes()));
        let mut hw = null_mut();
        // SAFETY: live texts and local places; what is made is freed once.
        unsafe {
            if registry.is_null() {
                assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
            }
            let first = ledg_registry_add_toml(registry, str(b"f.toml"), str(&device), null_mut());
            let second = ledg_hw_from_toml(registry, str(&device), str(b""), &mut hw, null_mut());
            let third = ledg_registry_add_templates(registry, str(b"f.toml"), str(&templates), null_mut());
            ledg_hw_free(hw);
            // What was added stays for the next, until there is much of it.
            if rng.next_u32() % 64 == 0 {
                ledg_registry_free(registry);
                registry = null_mut();
            }
            [first, second, third]
                .into_iter()
                .find(|s| [LEDG_E_PANIC, LEDG_E_INTERNAL].contains(s))
                .unwrap_or(first.max(third))
        }
    });
    // SAFETY: freed once.
    unsafe { ledg_registry_free(registry) };
}

#[test]
fn bundles_and_records() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, records) = (dir.path().join("m.ledg"), dir.path().join("r.jsonl"));
    let path = |p: &std::path::Path| p.to_str().unwrap().to_owned();
    let (mut model, mut list, mut graph, mut registry, mut hw) =
        (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    // SAFETY: live handles, freed once.
    unsafe {
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
    let load = |bytes: &[u8]| {
        let mut model = null_mut();
        // SAFETY: live bytes and a local place; what is made is freed once.
        unsafe {
            let status = ledg_model_load_bytes(bytes.as_ptr(), bytes.len(), &mut model, null_mut());
            if status != LEDG_OK {
                return status;
            }
            // What was read can be asked.
            let mut costs = null_mut();
            let asked = ledg_predict_nodes(model, graph, hw, 4, null(), &mut costs, null_mut());
            ledg_node_costs_free(costs);
            ledg_model_free(model);
            asked
        }
    };
    // Half of the damage where it counts: the header.
    let header = seed_bundle.len().min(20_000);
    fuzz("bundle", |rng| {
        load(&match rng.next_u32() % 2 {
            0 => mutate(rng, &seed_bundle),
            _ => [mutate(rng, &seed_bundle[..header]), seed_bundle[header..].to_vec()].concat(),
        })
    });
    // The hash refuses nearly all of that; files that somebody made on purpose have the right one.
    let seed = sealed(&seed_bundle, |_| ());
    assert_eq!((load(&seed), seed.len()), (LEDG_OK, seed_bundle.len()));
    fuzz("sealed bundle", |rng| load(&sealed(&seed_bundle, |header| *header = damaged_header(rng, header))));
    // SAFETY: made above, freed once.
    unsafe {
        ledg_graph_free(graph);
        ledg_hw_free(hw);
    }
}

/// A bundle with its header changed, and the hash that goes with it.
fn sealed(bundle: &[u8], change: impl FnOnce(&mut String)) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(bundle).unwrap();
    let mut header = metadata.metadata().as_ref().unwrap()["ledg"].clone();
    change(&mut header);
    let file = SafeTensors::deserialize(bundle).unwrap();
    let mut tensors: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    tensors.remove("sha256").unwrap();
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(header.as_bytes());
    for (name, view) in &tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    let hash = hash.finalize();
    tensors.insert("sha256".to_owned(), TensorView::new(Dtype::U8, vec![hash.len()], &hash).unwrap());
    safetensors::serialize(tensors, Some([("ledg".to_owned(), header)].into())).unwrap()
}

/// A header of which a number or a word is another one, or that is damaged anywhere.
fn damaged_header(rng: &mut ChaCha8Rng, header: &str) -> String {
    if rng.next_u32().is_multiple_of(4) {
        return String::from_utf8_lossy(&mutate(rng, header.as_bytes())).into_owned();
    }
    // Tables of numbers are most of a header; each of its keys counts alike.
    let keys: Vec<usize> = header.match_indices("\":").map(|(at, _)| at + 2).collect();
    let value = keys[rng.next_u32() as usize % keys.len()];
    let rest = &header[value..];
    let end = value + rest.find([',', '}', ']']).unwrap_or(rest.len());
    let words = ["0", "1", "-1", "64", "4294967296", "1e300", "null", "true", "[]", "{}", "\"\"", "\"base-clock\""];
    let word = words[rng.next_u32() as usize % words.len()];
    [&header[..value], word, &header[end..]].concat()
}
