//! The functions that `include/ledg.h` declares.

/// A declaration, by names.
pub struct Function {
    pub result: String,
    pub name: String,
    pub arguments: Vec<String>,
    /// Whether an argument is a pointer.
    pub takes_pointers: bool,
}

/// All of them, in the header's order.
pub fn functions() -> Vec<Function> {
    let header = include_str!("../../../../include/ledg.h");
    let mut text = String::new();
    let mut rest = header;
    while let Some((code, comment)) = rest.split_once("/*") {
        text += code;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    text += rest;
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let text = lines.join("\n").replace("extern \"C\" {", "");
    let mut functions = Vec::new();
    for declaration in text.split(';').map(str::trim).filter(|d| d.ends_with(')') && !d.starts_with("typedef")) {
        let (head, arguments) = declaration.split_once('(').unwrap();
        let at = head.rfind("ledg_").unwrap();
        let arguments = arguments.trim_end_matches(')');
        let last_word = |a: &str| a.rsplit([' ', '*']).next().unwrap().to_owned();
        functions.push(Function {
            result: head[..at].trim().to_owned(),
            name: head[at..].to_owned(),
            arguments: if arguments == "void" { Vec::new() } else { arguments.split(',').map(last_word).collect() },
            takes_pointers: arguments.contains('*'),
        });
    }
    functions
}

#[test]
fn the_header_is_understood() {
    let functions = functions();
    assert!(functions.len() > 70, "{} functions", functions.len());
    let predict = functions.iter().find(|f| f.name == "ledg_predict").unwrap();
    assert_eq!(
        (predict.result.as_str(), predict.arguments.join(" ").as_str()),
        ("ledg_status", "model batch opts columns err")
    );
}
