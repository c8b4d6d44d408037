//! What to do about a problem, in words.

/// The candidate nearest to a name, if it is near enough to be meant.
pub(crate) fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |c: &str| strsim::jaro_winkler(&name.to_lowercase(), &c.to_lowercase());
    let best = candidates.into_iter().map(|c| (score(c), c)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.75).map(|(_, c)| c)
}

/// What to do about a name that is none of those known.
pub(crate) fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match near(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let mut all: Vec<&str> = known.into_iter().collect();
            let more = all.len().saturating_sub(12);
            all.truncate(12);
            let list = all.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            if more > 0 { format!("use one of {list} and {more} more") } else { format!("use one of {list}") }
        }
    }
}

/// A message of the TOML reader without the list of what it knows, from which advice picks.
pub(crate) fn brief(message: &str) -> &str {
    message.split(", expected one of").next().unwrap_or(message)
}

/// What to do about a message of the TOML reader, which quotes names: first what it met, then what it knows.
pub(crate) fn for_message(message: &str, example: impl Fn(&str) -> Option<&'static str>) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let known = quoted.get(1..).unwrap_or_default();
    match quoted.first() {
        Some(name) if message.starts_with("unknown field") => match near(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "take it out: no such key exists here".to_owned(),
        },
        Some(name) if message.starts_with("unknown variant") => instead(name, known.iter().copied()),
        Some(name) if message.starts_with("missing field") => match example(name) {
            Some(example) => format!("add it: `{name} = {example}`"),
            None => format!("add `{name}`"),
        },
        _ => match message {
            m if m.contains("expected f64") => {
                "write a plain number, such as 12.5, and leave an unknown figure out".to_owned()
            }
            m if m.contains("expected a string") => "write it between quotes".to_owned(),
            m if m.contains("invalid type: map, expected a sequence") => {
                "write its header between two brackets, as in `[[source]]`".to_owned()
            }
            m if m.contains("expected a sequence") => "write a list, such as [\"a\", \"b\"]".to_owned(),
            m if m.contains("duplicate") => "keep one of the two".to_owned(),
            _ => "see the authoring guide for what stands here".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_reader_become_advice() {
        let check = |message: &str, advice: &str| {
            let example = |name: &str| (name == "vendor").then_some("\"Acme\"");
            assert_eq!(for_message(message, example), advice);
        };
        check("unknown field `tdp_watts`, expected one of `tdp_w`, `units`", "did you mean `tdp_w`?");
        check("unknown field `zzz`, expected one of `tdp_w`, `units`", "take it out: no such key exists here");
        check("unknown variant `gpus`, expected one of `gpu`, `cpu`", "did you mean `gpu`?");
        check("unknown variant `zzz`, expected one of `gpu`, `cpu`", "use one of `gpu`, `cpu`");
        check("missing field `vendor`", "add it: `vendor = \"Acme\"`");
        check("missing field `other`", "add `other`");
    }
}
