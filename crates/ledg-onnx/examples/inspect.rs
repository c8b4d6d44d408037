//! Prints what the importer makes of ONNX files, one line each: `inspect FILE... [--dim NAME=N]... [--report] [--outputs]`.

use std::time::Instant;

use ledg_graph::ValueKind;
use ledg_onnx::{OnnxOptions, UnknownPolicy, import_file};

fn main() {
    let mut options = OnnxOptions::default();
    let mut files = Vec::new();
    let mut outputs = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--outputs" => outputs = true,
            "--report" => options.unknown = UnknownPolicy::Report,
            "--dim" => {
                let binding = args.next().unwrap_or_default();
                match binding.split_once('=').and_then(|(name, size)| Some((name.to_owned(), size.parse().ok()?))) {
                    Some((name, size)) => options.dims.insert(name, size),
                    None => return eprintln!("--dim wants NAME=N, not `{binding}`"),
                };
            }
            _ => files.push(arg),
        }
    }
    for file in files {
        let start = Instant::now();
        match import_file(file.as_ref(), &options) {
            Ok(imported) => {
                let graph = &imported.graph;
                let weights = graph.values().iter().filter(|v| v.kind == ValueKind::Weight);
                let params: u64 = weights.filter_map(|v| v.elements()).sum();
                println!(
                    "{} nodes {} params {params} folded {} unused {} unknown {} contradictions {} inputs {} ms {:.2}",
                    graph.name(),
                    graph.nodes().len(),
                    imported.folded_nodes,
                    imported.unused_nodes,
                    imported.unknown.len(),
                    imported.contradictions.len(),
                    graph.inputs().len(),
                    start.elapsed().as_secs_f64() * 1e3,
                );
                for value in graph.outputs().iter().filter(|_| outputs).map(|&v| graph.value(v)) {
                    println!("  {} {} {:?} {:?}", value.name, value.dtype, value.shape, value.data);
                }
            }
            Err(error) => println!("error: {error}"),
        }
    }
}
