//! Parameters of search spaces' networks against the tables of their sources, where those are there.

mod count;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use count::{gmacs, params};
use ledg_zoo::accel_nasbench::{self, Activation, Stage};
use ledg_zoo::nasbench101;

fn table(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        writeln!(std::io::stderr(), "skipped: ../shared/data/{name} is not there").expect("stderr is open");
        return None;
    }
    Some(path)
}

fn rows(bytes: &[u8]) -> Vec<HashMap<String, String>> {
    csv::Reader::from_reader(bytes).deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn nasbench101() {
    let Some(path) = table("nasbench101/accuracy.csv.xz") else { return };
    let packed = std::fs::read(path).unwrap();
    let mut bytes = Vec::new();
    lzma_rust2::XzReader::new(packed.as_slice(), true).read_to_end(&mut bytes).unwrap();
    let rows = rows(&bytes);
    for row in rows.iter().step_by(300) {
        let cell = nasbench101::Cell::parse(&row["adjacency_rowmajor"], &row["ops"]).unwrap();
        let graph = nasbench101::build(&row["hash"], &cell, 1).unwrap();
        let (found, published) = (params(&graph), row["params"].parse::<u64>().unwrap());
        // The table's graphs were recovered from hashes, which leaves the order of alike vertices open: where the channels
        // of the output do not divide evenly, who gets the ones left over is not known.
        let n: usize = row["n"].parse().unwrap();
        let joined = (1..n - 1).filter(|v| row["adjacency_rowmajor"].as_bytes()[v * n + n - 1] == b'1').count();
        if joined == 0 || 128 % joined == 0 {
            assert_eq!(found, published, "{}", row["hash"]);
        } else {
            assert!((found as f64 / published as f64 - 1.0).abs() < 0.01, "{}: {found}, {published}", row["hash"]);
        }
    }
}

#[test]
fn accel_nasbench() {
    let Some(path) = table("accel_nasbench/perf.csv") else { return };
    for row in rows(&std::fs::read(path).unwrap()).iter().step_by(100) {
        let stage = |i: usize| {
            let field = |part: &str| &row[&format!("block{i}_{part}")];
            let number = |part: &str| field(part).parse::<u64>().unwrap();
            let squeeze = field("se") == "True";
            Stage { expansion: number("e"), kernel: number("k"), layers: number("l") as usize, squeeze }
        };
        let graph = accel_nasbench::build(&[0, 1, 2, 3, 4, 5, 6].map(stage), Activation::Silu, 1).unwrap();
        let published: f64 = row["params_m"].parse().unwrap();
        assert_eq!(params(&graph), (published * 1e6).round() as u64, "{}", row["id"]);
        // The source counts what is not a product as well, a tenth more.
        let ratio = row["macs_m"].parse::<f64>().unwrap() / (gmacs(&graph) * 1e3);
        assert!((1.03..1.2).contains(&ratio), "{}: {ratio}", row["id"]);
    }
}
