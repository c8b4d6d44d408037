//! Template files: what is refused and how it is said; what adding a file does.

mod common;

use common::{Net, none, templates};
use ledg_template::{LowerOptions, OpDims, TemplateSet};

fn add(text: &str) -> Result<TemplateSet, ledg_template::TemplateError> {
    templates().clone().with_toml("acme.toml", text)
}

fn refused(text: &str) -> String {
    add(&format!("schema = 1\n{text}")).expect_err("should be refused").to_string()
}

const OPERATOR: &str = r#"
[[operator]]
op = "com.acme.FancyOp"
class = "Act"
sentence = "Fancy [{attr:mode}]"
dims = "elementwise"
flops = "3 * out_elems"
"#;

#[test]
fn a_vendor_adds_an_operator() {
    let set = add(&format!("schema = 1\n{OPERATOR}")).unwrap();
    let mut net = Net::new();
    let x = net.input(&[1, 4]);
    let y = net.op("com.acme.FancyOp", none(), &[x], &[1, 4]);
    let nodes = set.describe(&set.lower(&net.finish(&[y]), &LowerOptions::default()).unwrap());
    assert_eq!((nodes[0].sentence.as_str(), nodes[0].known), ("Act Fancy", true));
    assert_eq!(nodes[0].magnitudes.flops, 12.0);
    assert_ne!(set.fingerprint(), templates().fingerprint());
}

#[test]
fn the_fingerprint_does_not_count_comments() {
    let plain = add(&format!("schema = 1\n{OPERATOR}")).unwrap();
    let commented = add(&format!("# a comment\nschema = 1\n\n{OPERATOR}")).unwrap();
    assert_eq!(plain.fingerprint(), commented.fingerprint());
    assert_eq!(templates().fingerprint(), templates().fingerprint());
    assert_eq!(plain.fingerprint().len(), 64);
}

#[test]
fn nothing_is_overridden() {
    assert_eq!(
        refused(&OPERATOR.replace("com.acme.FancyOp", "Conv")),
        "acme.toml: operator `Conv` is already declared in configs/templates/conv.toml"
    );
    let fusion = "[[fusion]]\nname = \"Silu\"\nop = \"ledg.Silu\"\ninputs = [\"x\"]\npatterns = [\"y = Relu(x)\"]";
    assert_eq!(refused(fusion), "acme.toml: fusion `Silu` is already declared in configs/templates/fusions.toml");
    let class = "[[class]]\nname = \"Act\"\ndoc = \"again\"";
    assert_eq!(refused(class), "acme.toml: class `Act` is already declared in configs/templates/classes.toml");
    let reserved = "[[class]]\nname = \"Unknown\"\ndoc = \"mine\"";
    assert!(refused(reserved).starts_with("acme.toml: class `Unknown`: "));
}

#[test]
fn mistakes_are_named() {
    let check = |from: &str, to: &str, message: &str| {
        let text = OPERATOR.replace(from, to);
        assert_ne!(text, OPERATOR);
        let found = refused(&text);
        assert!(found.contains(message), "`{found}` should contain `{message}`");
    };
    check("\"Act\"", "\"Acd\"", "operator `com.acme.FancyOp`: class `Acd` is not declared, did you mean `Act`?");
    check("out_elems", "out_elem", "`flops`: unknown variable `out_elem`, did you mean `out_elems`?");
    check("3 * out_elems", "3 * (out_elems", "operator `com.acme.FancyOp`, `flops`: `3 * (out_elems`: ");
    check("[{attr:mode}]", "[{mode}]", "`sentence`: `Fancy [{mode}]`: there is no field {mode}");
    check("elementwise", "elementwize", "unknown variant `elementwize`");
    check("flops =", "flop =", "unknown field `flop`");
    check("\"3 * out_elems\"", "nan", "invalid type: floating point");
    check("\"3 * out_elems\"", "\"nan\"", "unknown variable `nan`");
    check("com.acme.FancyOp", "com.acme.", "operator `com.acme.`: an operator is a name");
    let schema = add("schema = 2").expect_err("newer").to_string();
    assert_eq!(schema, "acme.toml: `schema = 2`, this library reads schema 1");
    assert!(add("schema = 1\nsentence = 3").expect_err("unknown key").to_string().contains("unknown field `sentence`"));
    assert!(add("schema = ").expect_err("no TOML").to_string().contains("line 1"));
}

#[test]
fn mistakes_in_fusions_are_named() {
    let fusion = |pattern: &str, more: &str| {
        refused(&format!(
            "[[fusion]]\nname = \"Mine\"\nop = \"ledg.Silu\"\ninputs = [\"x\"]\n{more}\npatterns = [\"\"\"{pattern}\"\"\"]"
        ))
    };
    assert_eq!(fusion("y = Mul(x, @)", ""), "acme.toml: fusion `Mine`: `y = Mul(x, @)`: `@` is no argument");
    assert_eq!(fusion("y = Neg(z)", ""), "acme.toml: fusion `Mine`: no pattern has the input `x`");
    assert_eq!(
        fusion("y = Neg(x)", "copy_attrs = \"q\""),
        "acme.toml: fusion `Mine`: `copy_attrs`: a pattern has no line `q`"
    );
    assert_eq!(
        fusion("y = Neg(x)", "attrs = { axis = \"last\" }"),
        "acme.toml: fusion `Mine`: attribute `axis`: `last` is none of 3, \"value[-1]\", \"line.attribute\", \"$constant\""
    );
    let unknown =
        refused("[[fusion]]\nname = \"Mine\"\nop = \"ledg.Nope\"\ninputs = [\"x\"]\npatterns = [\"y = Neg(x)\"]");
    assert_eq!(unknown, "acme.toml: fusion `Mine`: it becomes `ledg.Nope`, which no template covers");
}

#[test]
fn a_fusion_from_outside_needs_an_operator_of_its_own() {
    let fusion = |pattern: &str| {
        let fusion = "[[fusion]]\nname = \"Mine\"\nop = \"com.acme.FancyOp\"\ninputs = [\"x\"]\n";
        add(&format!("schema = 1\n{OPERATOR}{fusion}patterns = [\"{pattern}\"]"))
    };
    assert!(fusion("y = com.acme.Other(x)").is_ok());
    let message = fusion("y = Relu(x)").expect_err("it would change every graph with a Relu").to_string();
    assert!(
        message.starts_with("acme.toml: fusion `Mine`: `y = Relu(x)`: it matches built-in operators alone"),
        "{message}"
    );
}

#[test]
fn a_check_names_every_problem_with_its_place() {
    let text =
        OPERATOR.replace("out_elems", "out_elem").replace("\"Act\"", "\"Acd\"").replace("[{attr:mode}]", "[{mode}]");
    let text = format!(
        "schema = 2\n{text}[[operator]]\nop = \"Conv\"\nclass = \"Act\"\nsentence = \"C\"\ndims = \"con\"\nfloops = \"1\"\n\
         [[fusion]]\nname = \"F\"\nop = \"com.acme.FancyOp\"\ninputs = [\"x\"]\npatterns = [\"y = com.acme.A(z)\"]\n"
    );
    let checked = templates().check_files(&[("acme.toml".to_owned(), text)]);
    let lines: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(checked.set.fingerprint(), templates().fingerprint(), "a file with errors is not added");
    let fine = templates().check_files(&[("acme.toml".to_owned(), format!("schema = 1\n{OPERATOR}"))]);
    assert_eq!((fine.problems, fine.operators), (vec![], vec!["com.acme.FancyOp".to_owned()]));
}

#[test]
fn a_sample_is_described_for_every_operator() {
    let set = templates();
    let mut n = 0;
    for name in set.operator_names() {
        for (what, node) in set.samples(name).unwrap() {
            assert!(node.known && node.magnitudes.flops >= 0.0, "{name}: {what}");
            n += 1;
        }
    }
    assert!(n > 100, "{n}");
    let conv = set.samples("Conv").unwrap();
    let sentences: Vec<&str> = conv.iter().map(|(_, n)| n.sentence.as_str()).collect();
    assert_eq!(sentences, ["ParamL Conv 3", "ParamL Conv 3 stride 2 depthwise"]);
    assert_eq!(conv[0].1.macs, 56.0 * 56.0 * 128.0 * 64.0 * 9.0);
}

#[test]
fn no_damage_to_a_file_makes_it_panic() {
    let fusion = "[[fusion]]\nname = \"F\"\nop = \"ledg.Silu\"\ninputs = [\"x\"]\nattrs = { a = \"s[-1]\", b = \"s.axes\" }\n\
        patterns = [\"\"\"\nt? = Transpose[swap](x)\ns = Mul(t, $c, ...)\ny = com.acme.FancyOp[last](s)\n\"\"\"]\n";
    let whole = format!("schema = 1\n{OPERATOR}{fusion}");
    assert!(add(&whole).is_ok());
    for at in 0..whole.len() {
        let without = format!("{}{}", &whole[..at], &whole[at + 1..]);
        let doubled = format!("{}{}", &whole[..at], &whole[at.saturating_sub(1)..]);
        // Either is fine: what matters is that each ends in a set or in a message.
        for text in [&without, &doubled, &whole[..at]] {
            if let Err(e) = add(text) {
                assert!(e.to_string().starts_with("acme.toml: "), "{e}");
                let checked = templates().check_files(&[("acme.toml".to_owned(), text.to_string())]);
                assert!(!checked.problems.is_empty(), "{e}");
            }
        }
    }
}

#[test]
fn the_guide_lists_the_whole_vocabulary() {
    let guide = include_str!("../../../configs/templates/README.md");
    for variable in OpDims::VARIABLES {
        let line = format!("| `{}` | {} |", variable.name, variable.doc.trim());
        assert!(guide.contains(&line), "README.md lacks the line {line}");
    }
    let set = templates();
    for (class, doc) in set.classes() {
        assert!(guide.contains(&format!("| `{class}` | {doc} |")), "README.md lacks class {class}");
    }
    for fusion in set.fusion_names() {
        assert!(guide.contains(&format!("`{fusion}`")), "README.md lacks fusion {fusion}");
    }
}
