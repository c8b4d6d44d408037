//! The report in a real browser, without a window. Skipped, saying so, where there is none; `LEDG_BROWSER` names one.
//!
//! With `LEDG_SCREENSHOTS=DIR` the pictures that a person should look at are saved there.

mod devtools;

use std::path::PathBuf;

use ledg_cost_model::graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType};
use serde_json::{Value, json};

use super::report::{HOSTILE, HOSTILE_FILE, bench, hostile};
use super::support::{Bench, chain};
use devtools::{Page, file_url, find};

const SIZES: [(u32, u32); 2] = [(390, 844), (1440, 900)];

fn page() -> Option<Page> {
    let Some(browser) = find() else {
        eprintln!("SKIP: there is no browser: install Chromium, or name one in LEDG_BROWSER");
        return None;
    };
    Some(Page::open(&browser))
}

/// Runs `report` with these arguments; the page's path.
fn report(bench: &Bench, args: &str) -> PathBuf {
    bench.ok(&format!("report {args} -o report.html"));
    bench.path().join("report.html")
}

/// 400 residual blocks of three ReLUs and a sum: 1,600 nodes in 1,600 layers.
fn deep() -> Graph {
    let limits = Limits { max_nodes: u64::MAX, max_values: u64::MAX };
    let mut b = GraphBuilder::new("deep").with_limits(limits);
    let mut last = b.input("x", DType::F32, &[1, 3, 8, 8]);
    for k in 0..400 {
        let skip = last;
        for part in 0..3 {
            let next = b.activation(format!("v{k}.{part}"), DType::F32, Some(&[1, 3, 8, 8]));
            b.node(format!("relu{k}.{part}"), OpType::onnx("Relu"), Attrs::new(), &[Some(last)], &[next]);
            last = next;
        }
        let sum = b.activation(format!("s{k}"), DType::F32, Some(&[1, 3, 8, 8]));
        b.node(format!("sum{k}"), OpType::onnx("Add"), Attrs::new(), &[Some(last), Some(skip)], &[sum]);
        last = sum;
    }
    b.output(last);
    b.finish().unwrap()
}

fn texts(page: &mut Page, selector: &str) -> Vec<String> {
    let script = format!("[...document.querySelectorAll({})].map((e) => e.textContent)", json!(selector));
    serde_json::from_value(page.evaluate(&script)).unwrap()
}

fn click(page: &mut Page, selector: &str) {
    page.evaluate(&format!("document.querySelector({}).click()", json!(selector)));
}

/// Two frames: what was scheduled has been drawn.
fn settle(page: &mut Page) {
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
}

#[test]
fn it_fits_phones_and_desks_in_light_and_dark_and_asks_for_nothing() {
    let Some(mut page) = page() else { return };
    let bench = Bench::new();
    bench.file("resnet18.onnx", include_bytes!("../../../../../tests/fixtures/resnet18.onnx"));
    bench.file("mobilenet_v2.onnx", include_bytes!("../../../../../tests/fixtures/mobilenet_v2.onnx"));
    let args =
        "resnet18.onnx mobilenet_v2.onnx --batch 64 --hardware rtx3090,rtx4090:amp/nhwc/dynamo,t4,core-i9-10940x";
    let path = report(&bench, args);
    for (width, height) in SIZES {
        for dark in [false, true] {
            page.look(width, height, dark);
            page.visit(&path);
            settle(&mut page);
            let overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
            assert!(overflow.as_i64().unwrap() <= 0, "at {width} px the page is {overflow} px too wide");
            let unnamed = page.evaluate(UNNAMED);
            assert_eq!(unnamed, json!([]), "controls without a name");
            let faint = page.evaluate(FAINT);
            assert_eq!(faint, json!([]), "text of too little contrast at {width} px, dark: {dark}");
            if let Some(dir) = std::env::var_os("LEDG_SCREENSHOTS") {
                let name = format!("report-{width}-{}.png", if dark { "dark" } else { "light" });
                click(&mut page, "#costliest");
                settle(&mut page);
                page.screenshot(&PathBuf::from(dir).join(name), true);
            }
        }
    }
    assert_eq!(page.complaints(), [""; 0]);
    assert_eq!(page.requests(), vec![file_url(&path); 4], "the page itself, four times");
}

/// Controls that a screen reader has no name for.
const UNNAMED: &str = "[...document.querySelectorAll('button, select, input')].filter((e) => \
    !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length)) && e.offsetParent) \
    .map((e) => e.outerHTML)";

/// Texts whose contrast is below 4.5 : 1, WCAG's figure, on the colour that they stand on.
const FAINT: &str = include_str!("contrast.js");

#[test]
fn tables_sort_search_and_follow_the_choice() {
    let Some(mut page) = page() else { return };
    let bench = bench();
    bench.onnx("chain.onnx", &chain(250, OpType::onnx("Relu")));
    let path = report(&bench, "tiny.onnx chain.onnx --hardware t4,rtx3090 --bundle toy.ledg");
    page.look(1440, 900, false);
    page.visit(&path);
    click(&mut page, "#tab-nodes");
    let mut names = texts(&mut page, "#table tbody button.link");
    names.sort();
    assert_eq!(names, ["conv", "relu", "sum"]);
    let order = |page: &mut Page| page.evaluate("document.querySelector('#table th[data-key=time]').ariaSort");
    assert_eq!(order(&mut page), json!("descending"));
    let times = "[...document.querySelectorAll('#table tbody tr')].map((r) => times.nodes[r.dataset.index].time)";
    let falling: Vec<f64> = serde_json::from_value(page.evaluate(times)).unwrap();
    assert!(falling.is_sorted_by(|a, b| a >= b), "{falling:?}");
    click(&mut page, "#table th[data-key=time] button");
    let rising: Vec<f64> = serde_json::from_value(page.evaluate(times)).unwrap();
    assert_eq!((order(&mut page), rising.is_sorted()), (json!("ascending"), true));
    // By keyboard: the focus stays on the header that was used.
    page.press("Tab");
    page.evaluate("document.querySelector('#search').focus()");
    page.type_text("Conv 3");
    assert_eq!(texts(&mut page, "#table tbody button.link"), ["conv"]);
    assert!(texts(&mut page, "#found")[0].starts_with("1 of 3 nodes, "));
    click(&mut page, "#table tbody button.link");
    assert_eq!(texts(&mut page, "#details h3"), ["conv"]);
    assert_eq!(texts(&mut page, "#details tbody th"), ["t4", "rtx3090"]);
    // Another estimate, by its row; the search starts anew when another table is chosen.
    click(&mut page, "#estimates tbody tr:nth-child(4)");
    let chosen: Value =
        page.evaluate("[state.model, state.device, byId('model').value, byId('device').value, state.node]");
    assert_eq!(chosen, json!([1, 1, "1", "1", null]));
    click(&mut page, "#tab-operators");
    assert_eq!(texts(&mut page, "#table tbody tr td:nth-child(2)"), ["250"]);
    click(&mut page, "#tab-nodes");
    assert_eq!(texts(&mut page, "#table tbody tr").len(), 100);
    click(&mut page, "#more");
    assert_eq!(texts(&mut page, "#table tbody tr").len(), 250);
    // Tabs by arrow keys.
    page.evaluate("document.querySelector('#tab-nodes').focus()");
    page.press("ArrowRight");
    assert_eq!(page.evaluate("[state.tab, document.activeElement.id]"), json!(["blocks", "tab-blocks"]));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn hostile_names_are_shown_and_do_nothing() {
    let Some(mut page) = page() else { return };
    let bench = bench();
    hostile(&bench);
    let path = report(&bench, &format!("{HOSTILE_FILE} --hardware t4 --bundle toy.ledg"));
    page.look(1440, 900, false);
    page.visit(&path);
    click(&mut page, "#tab-nodes");
    click(&mut page, "#table th[data-key=index] button");
    assert_eq!(texts(&mut page, "#table tbody button.link"), HOSTILE);
    for k in 1..=HOSTILE.len() {
        click(&mut page, &format!("#table tbody tr:nth-child({k}) button.link"));
        assert_eq!(texts(&mut page, "#details h3"), [HOSTILE[k - 1]]);
    }
    assert_eq!(page.evaluate("typeof window.hacked"), json!("undefined"));
    assert_eq!(texts(&mut page, "h1"), [format!("{HOSTILE_FILE} on t4")]);
    assert_eq!((page.complaints(), page.requests().len()), (Vec::new(), 1));
}

#[test]
fn a_graph_of_1600_nodes_draws_what_is_in_view() {
    let Some(mut page) = page() else { return };
    let bench = bench();
    bench.file("deep.json", deep().to_json().unwrap());
    let path = report(&bench, "deep.json --hardware t4 --bundle toy.ledg");
    page.look(1440, 900, true);
    page.visit(&path);
    assert_eq!(page.evaluate("report.models[0].nodes.length"), json!(1600));
    let drawn = |page: &mut Page| -> Vec<u64> {
        settle(page);
        settle(page);
        serde_json::from_value(
            page.evaluate("[...document.querySelectorAll('#graph .node')].map((e) => Number(e.dataset.node))"),
        )
        .unwrap()
    };
    let top = drawn(&mut page);
    assert!(top.contains(&0) && top.len() < 60, "{}", top.len());
    page.evaluate("byId('graph').scrollTop = byId('graph').scrollHeight");
    let bottom = drawn(&mut page);
    assert!(bottom.contains(&1599) && !bottom.contains(&0) && bottom.len() < 60, "{bottom:?}");
    // Far out all is in view, without words; a node found by its name is brought back with them.
    for _ in 0..9 {
        click(&mut page, "#zoom-out");
    }
    assert_eq!(page.evaluate("document.querySelectorAll('#graph .node text').length"), json!(0));
    page.evaluate("document.querySelector('#find').focus()");
    page.type_text("relu200.1");
    page.press("Enter");
    assert_eq!(texts(&mut page, "#details h3"), ["relu200.1"]);
    let around = drawn(&mut page);
    assert!(around.contains(&801) && around.len() < 60, "{around:?}");
    let seen = "(() => { const a = document.querySelector('#graph .selected').getBoundingClientRect(); \
                const b = byId('graph').getBoundingClientRect(); return a.top >= b.top && a.bottom <= b.bottom; })()";
    assert_eq!(page.evaluate(seen), json!(true), "the selected node is in view");
    page.evaluate("document.querySelector('#graph').focus()");
    page.press("ArrowDown");
    assert_eq!(texts(&mut page, "#details h3"), ["relu200.2"]);
    click(&mut page, "#costliest");
    assert_eq!(page.evaluate("times.nodes[state.node].time === times.costliest"), json!(true));
    if let Some(dir) = std::env::var_os("LEDG_SCREENSHOTS") {
        page.evaluate("byId('graph').scrollIntoView({ block: 'center' })");
        settle(&mut page);
        page.screenshot(&PathBuf::from(dir).join("report-1600-nodes.png"), false);
    }
    assert_eq!(page.complaints(), [""; 0]);
}
