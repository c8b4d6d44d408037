//! The ONNX files in tests/fixtures are what the zoo writes today. After a deliberate change rewrite them with
//! `LEDG_BLESS=1 cargo test -p ledg-zoo --test fixtures`.

use std::path::PathBuf;

use ledg_onnx::{OnnxOptions, WeightStyle, WriteOptions, import_file};
use ledg_zoo::{ZooConfig, build, onnx};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn check(name: &str, options: &WriteOptions) {
    let bytes = onnx(name, &ZooConfig::default(), options).unwrap();
    let path = path(&format!("{name}.onnx"));
    if std::env::var_os("LEDG_BLESS").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(kept == bytes, "{} differs from what the zoo writes", path.display());
}

#[test]
fn weights_as_inputs_with_all_shapes() {
    let options = WriteOptions { value_info: true, ..WriteOptions::default() };
    check("resnet18", &options);
    check("vit_b16", &options);
}

#[test]
fn weights_as_empty_initializers() {
    let options = WriteOptions { weights: WeightStyle::EmptyInitializers, value_info: true, ..WriteOptions::default() };
    check("mobilenet_v2", &options);
}

/// BERT has symbols for batch and sequence and no shapes inside: all follow from the sizes given.
#[test]
fn symbolic_sizes() {
    let names = ["input_ids", "attention_mask", "token_type_ids"];
    let symbols =
        names.iter().flat_map(|n| [(format!("{n}.0"), "batch".into()), (format!("{n}.1"), "sequence".into())]);
    check("bert_base", &WriteOptions { symbols: symbols.collect(), ..WriteOptions::default() });

    let mut options = OnnxOptions::default();
    let unbound = import_file(&path("bert_base.onnx"), &options).unwrap_err().to_string();
    assert!(unbound.ends_with("; give sizes in `dims` for `batch`, `sequence`"), "{unbound}");
    options.dims = [("batch".to_owned(), 3), ("sequence".to_owned(), 50)].into();
    let bound = import_file(&path("bert_base.onnx"), &options).unwrap();
    let wanted = build("bert_base", &ZooConfig { batch: 3, sequence: 50, ..ZooConfig::default() }).unwrap();
    assert_eq!(bound.graph.content_hash(), wanted.content_hash());
}
