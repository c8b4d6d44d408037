//! What nests without end is refused before it exhausts the stack, which no border could stop.

use std::ptr::{null, null_mut};

use ledg::*;

use crate::str;

const DEEP: usize = 100_000;

fn nest(before: &str, open: &str, after: &str) -> String {
    format!("{before}{}{after}", open.repeat(DEEP))
}

/// A call on a text that nests, which must be refused.
fn refused(what: &str, text: &str, call: impl FnOnce(ledg_str) -> ledg_status) {
    let status = call(str(text.as_bytes()));
    assert!(status < 0 && ![LEDG_E_PANIC, LEDG_E_INTERNAL].contains(&status), "{what}: status {status}");
}

#[test]
fn graphs_in_json() {
    for (before, open) in [("", "["), ("{\"ledg_graph\":1,\"values\":", "["), ("", "{\"a\":"), ("{\"x\":", "[")] {
        refused(before, &nest(before, open, ""), |text| {
            // SAFETY: a live text and a local place.
            unsafe { ledg_graph_from_json(text, null(), &mut null_mut(), null_mut()) }
        });
    }
}

#[test]
fn toml() {
    let mut registry = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_registry_new(&mut registry, null_mut()) }, LEDG_OK);
    let operator = "schema = 1\n[[operator]]\nop = \"com.acme.Lut\"\nclass = \"Act\"\ndims = \"elementwise\"\n";
    for (before, open, after) in [("a = ", "[", ""), ("a = ", "{a=", ""), ("[", "a.", "a]"), ("", "a.", "a = 1")] {
        refused(before, &nest(before, open, after), |text| {
            // SAFETY: live handles and texts.
            unsafe { ledg_registry_add_toml(registry, str(b"t"), text, null_mut()) }
        });
        refused(before, &nest(before, open, after), |text| {
            // SAFETY: live handles and texts.
            unsafe { ledg_registry_add_templates(registry, str(b"t"), text, null_mut()) }
        });
    }
    for (before, open, after) in [
        ("sentence = \"Lut\"\nflops = \"", "(", "1\""),
        ("sentence = \"Lut\"\nflops = \"", "-", "1\""),
        ("sentence = \"Lut\"\nflops = \"1", "+1", "\""),
        ("sentence = \"Lut\"\nflops = \"1", "^1", "\""),
        ("sentence = \"Lut\"\nflops = \"", "sqrt ", "1\""),
        ("flops = \"1\"\nsentence = \"", "{", "\""),
        ("flops = \"1\"\nsentence = \"", "{kernel|", "\""),
    ] {
        refused(before, &nest(&format!("{operator}{before}"), open, after), |text| {
            // SAFETY: live handles and texts.
            unsafe { ledg_registry_add_templates(registry, str(b"t"), text, null_mut()) }
        });
    }
    // SAFETY: freed once.
    unsafe { ledg_registry_free(registry) };
}

#[test]
fn schedules() {
    let task = r#"{"name":"t","blocks":[{"name":"B","axes":[{"extent":64,"reduce":false}],"flops":1,"accesses":[]}]}"#;
    let mut model = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_schedule_model_new(1, &mut model, null_mut()) }, LEDG_OK);
    for open in ["[", "(", "a=[", "b0 = sch.get_sblock(name=["] {
        refused(open, &nest("b0 = sch.get_sblock(", open, ""), |trace| {
            // SAFETY: live handles and texts, and a local place.
            unsafe { ledg_schedule_graph(model, str(task.as_bytes()), trace, &mut null_mut(), null_mut()) }
        });
    }
    for (before, open) in [("", "["), ("{\"name\":", "["), ("{\"blocks\":[{\"accesses\":", "["), ("", "{\"a\":")] {
        refused(before, &nest(before, open, ""), |text| {
            // SAFETY: live handles and texts, and a local place.
            unsafe { ledg_schedule_graph(model, text, str(b""), &mut null_mut(), null_mut()) }
        });
        refused(before, &nest(before, open, ""), |text| {
            // SAFETY: live handles and texts, and a local place.
            unsafe { ledg_model_update(model, text, &mut null_mut(), null_mut()) }
        });
    }
    // SAFETY: freed once.
    unsafe { ledg_schedule_model_free(model) };
}

#[test]
fn records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.jsonl").to_str().unwrap().to_owned();
    for (before, open) in [("", "["), ("{\"runs_s\":", "["), ("", "{\"a\":"), ("{\"definition\":", "{\"values\":")] {
        std::fs::write(&path, nest(before, open, "")).unwrap();
        refused(before, &path, |path| {
            // SAFETY: a live text and a local place.
            unsafe { ledg_records_load(path, null(), &mut null_mut(), null_mut()) }
        });
    }
}

/// A field of bytes, as protobuf writes it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut len = content.len();
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// Graphs in attributes of nodes of graphs: `NodeProto.attribute` is field 5, `AttributeProto.g` 6, `GraphProto.node` 1.
#[test]
fn graphs_in_onnx() {
    let mut graph = Vec::new();
    for _ in 0..2_000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    let bytes = field(7, &graph);
    // SAFETY: live bytes and a local place.
    let status =
        unsafe { ledg_graph_from_onnx(str(b"f"), bytes.as_ptr(), bytes.len(), null(), &mut null_mut(), null_mut()) };
    assert!(status < 0 && ![LEDG_E_PANIC, LEDG_E_INTERNAL].contains(&status), "status {status}");
}
