//! `ledg-cost report`, as a document: valid, complete, self-contained, safe. What a browser makes of it is in `browser`.

use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
use scraper::{Html, Selector};
use serde_json::Value;

use super::support::{Bench, chain, tiny};

/// Names that break out of wherever they are put without care.
pub const HOSTILE: [&str; 6] = [
    "</script><script>window.hacked=1</script>",
    "\"><img src=x onerror=\"window.hacked=1\">",
    "<!--<script>",
    "' onmouseover='window.hacked=1",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; \u{202e}\u{2028}]]>",
];

/// A file name of the same kind: no spaces, as tests split arguments there.
pub const HOSTILE_FILE: &str = "<script>window.hacked=1;\"'&.json";

/// Writes a model whose nodes have hostile names.
pub fn hostile(bench: &Bench) {
    let mut b = GraphBuilder::new("<svg onload=window.hacked=1>");
    let mut last = b.input("x", DType::F32, &[1, 3, 8, 8]);
    for name in HOSTILE {
        let next = b.activation(format!("{name} out"), DType::F32, Some(&[1, 3, 8, 8]));
        b.node(name, OpType::onnx("Relu"), Attrs::new(), &[Some(last)], &[next]);
        last = next;
    }
    b.output(last);
    bench.file(HOSTILE_FILE, b.finish().unwrap().to_json().unwrap());
}

pub fn bench() -> Bench {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("tiny.onnx", &tiny());
    bench
}

pub fn read(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path().join(name)).unwrap()
}

fn data(page: &str) -> Value {
    let html = Html::parse_document(page);
    let script = html.select(&Selector::parse("script#data").unwrap()).next().unwrap();
    serde_json::from_str(&script.text().collect::<String>()).unwrap()
}

/// The page of the hostile model and two devices.
fn hostile_page() -> String {
    let bench = bench();
    hostile(&bench);
    bench.ok(&format!("report tiny.onnx {HOSTILE_FILE} --hardware t4,rtx3090 -o report.html --bundle toy.ledg"));
    read(&bench, "report.html")
}

#[test]
fn valid_html_even_with_hostile_names() {
    let html = Html::parse_document(&hostile_page());
    assert_eq!(html.errors, [""; 0]);
    let count = |selector: &str| html.select(&Selector::parse(selector).unwrap()).count();
    assert_eq!(count("script"), 2, "the data and the code");
    assert_eq!(
        (count("img"), count("iframe"), count("object"), count("link"), count("base"), count("svg")),
        (0, 0, 0, 0, 0, 0)
    );
    assert_eq!((count("html[lang]"), count("title"), count("h1"), count("main")), (1, 1, 1, 1));
    let mut ids: Vec<&str> = html.select(&Selector::parse("[id]").unwrap()).filter_map(|e| e.value().id()).collect();
    let n = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n, "an id occurs twice");
    for e in html.select(&Selector::parse("*").unwrap()) {
        let on = e.value().attrs().find(|(name, _)| name.starts_with("on"));
        assert_eq!(on, None, "{}", e.html());
    }
}

#[test]
fn the_names_arrive_as_they_are() {
    let page = hostile_page();
    let data = data(&page);
    let names: Vec<&str> =
        data["models"][1]["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names, HOSTILE);
    assert_eq!(data["models"][1]["label"], HOSTILE_FILE);
    let html = Html::parse_document(&page);
    let (row, head) = (Selector::parse("#estimates tbody tr").unwrap(), Selector::parse("th").unwrap());
    let models: Vec<String> =
        html.select(&row).map(|row| row.select(&head).next().unwrap().text().collect::<String>()).collect();
    assert_eq!(models, ["tiny.onnx", "tiny.onnx", HOSTILE_FILE, HOSTILE_FILE]);
}

#[test]
fn the_heading_names_the_file_without_its_folders() {
    let bench = bench();
    bench.onnx("some/where/tiny.onnx", &tiny());
    bench.ok("report some/where/tiny.onnx --hardware t4 -o report.html --bundle toy.ledg");
    let html = Html::parse_document(&read(&bench, "report.html"));
    let heading = html.select(&Selector::parse("h1").unwrap()).next().unwrap();
    assert_eq!(heading.text().collect::<String>(), "tiny.onnx on t4");
    assert_eq!(heading.value().attr("title"), Some("some/where/tiny.onnx"));
}

#[test]
fn nothing_is_fetched() {
    let page = hostile_page();
    let html = Html::parse_document(&page);
    for e in html.select(&Selector::parse("[href], [src], [srcset], [action], [data], [poster], [formaction]").unwrap())
    {
        let e = e.value();
        let target = ["href", "src", "srcset", "action", "data", "poster", "formaction"].iter().find_map(|a| e.attr(a));
        assert!(target.is_some_and(|t| t.starts_with('#')), "{e:?}");
    }
    let policy = html.select(&Selector::parse("meta[http-equiv=Content-Security-Policy]").unwrap()).next().unwrap();
    assert!(policy.value().attr("content").unwrap().starts_with("default-src 'none';"));
    let style: String = html.select(&Selector::parse("style").unwrap()).flat_map(|e| e.text()).collect();
    assert!(!style.contains("url(") && !style.contains("@import"));
    // The one address is the name of SVG, which nothing is asked for.
    let addresses: Vec<&str> = page.match_indices("://").map(|(at, _)| &page[at..at + 22]).collect();
    assert_eq!(addresses, ["://www.w3.org/2000/svg"]);
}

#[test]
fn every_node_is_there_with_the_cost_that_predict_gives() {
    let bench = bench();
    bench.onnx("chain.onnx", &chain(50, OpType::onnx("Relu")));
    bench.ok("report tiny.onnx chain.onnx --hardware t4,rtx3090 --batch 8 -o report.html --bundle toy.ledg");
    let data = data(&read(&bench, "report.html"));
    let json = bench.ok(
        "predict tiny.onnx chain.onnx --hardware t4 --hardware rtx3090 --batch 8 --per-node --format json --bundle toy.ledg",
    );
    let estimates = data["estimates"].as_array().unwrap();
    assert_eq!(estimates.len(), 4);
    for (estimate, line) in estimates.iter().zip(json.lines()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let model = &data["models"][estimate["model"].as_u64().unwrap() as usize];
        let device = &data["devices"][estimate["device"].as_u64().unwrap() as usize];
        assert_eq!((&model["label"], &device["label"]), (&row["graph"], &row["hardware"]));
        let close = |a: &Value, b: &Value| (a.as_f64().unwrap() / b.as_f64().unwrap() - 1.0).abs() < 1e-4;
        assert!(["latency_s", "lo_s", "hi_s"].iter().all(|key| close(&estimate[key], &row[key])));
        let nodes = row["nodes"].as_array().unwrap();
        assert_eq!(model["nodes"].as_array().unwrap().len(), nodes.len());
        for (k, node) in nodes.iter().enumerate() {
            assert_eq!(model["nodes"][k]["name"], node["name"]);
            let parts = estimate["nodes"][k].as_array().unwrap();
            for (part, key) in parts.iter().zip(["compute_s", "issue_s", "memory_s", "launch_s"]) {
                assert!(close(part, &node[key]), "{key} of {}", node["name"]);
            }
        }
        let places = ["layer", "column", "rail"].map(|key| model["layout"][key].as_array().unwrap().len());
        assert_eq!(places, [nodes.len(); 3]);
    }
}

#[test]
fn what_an_estimate_cannot_be_trusted_for_is_said_without_scripts() {
    let bench = bench();
    bench.onnx("magic.onnx", &chain(2, OpType::new("com.acme", "Magic")));
    let run = bench.run("report magic.onnx --hardware t4 -o report.html --unknown report --bundle toy.ledg");
    assert_eq!(run.code, 0, "{run:?}");
    let html = Html::parse_document(&read(&bench, "report.html"));
    let warnings: Vec<String> = html
        .select(&Selector::parse(".warnings li").unwrap())
        .map(|e| e.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"));
    let bench = Bench::new();
    bench.file("resnet18.onnx", include_bytes!("../../../../tests/fixtures/resnet18.onnx"));
    bench.ok("report resnet18.onnx --hardware rtx4090 -o good.html");
    let good = data(&read(&bench, "good.html"));
    assert_eq!(good["estimates"][0]["warnings"], serde_json::json!([]), "known in every respect");
    bench.ok("report resnet18.onnx --hardware l4,rtx4090:fp32,adreno-640 -o bad.html");
    let bad = data(&read(&bench, "bad.html"));
    let about = |k: usize| bad["estimates"][k]["warnings"][0]["about"].as_str().unwrap().to_owned();
    assert_eq!([about(0), about(1), about(2)], ["Device not measured", "Runtime not measured", "Interval borrowed"]);
}

#[test]
fn the_same_question_gives_the_same_page() {
    let bench = bench();
    for name in ["a.html", "b.html"] {
        bench.ok(&format!("report tiny.onnx --hardware t4 -o {name} --bundle toy.ledg"));
    }
    assert_eq!(read(&bench, "a.html"), read(&bench, "b.html"));
}

#[test]
fn what_is_refused_leaves_no_page() {
    let bench = bench();
    bench.file("empty.onnx", "");
    assert!(
        bench.fails(1, "report tiny.onnx empty.onnx --hardware t4 -o r.html --bundle toy.ledg").contains("empty.onnx")
    );
    assert!(bench.fails(1, "report tiny.onnx --hardware t5x -o r.html --bundle toy.ledg").contains("t5x"));
    assert!(
        bench.fails(1, "report tiny.onnx --hardware t4 -o no/folder/r.html --bundle toy.ledg").contains("no/folder")
    );
    assert_eq!(bench.run("report tiny.onnx --hardware t4").code, 2);
    assert!(!bench.path().join("r.html").exists());
}
