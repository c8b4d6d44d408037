//! Attributes of a node as typed attributes of the graph.

use ledg_graph::{Attr, Attrs};

use crate::proto::{AttributeProto, NodeProto, attribute_type};

/// The empty domain and `ai.onnx` are the same.
pub(crate) fn normal_domain(domain: Option<&str>) -> &str {
    match domain {
        None | Some("ai.onnx") => "",
        Some(domain) => domain,
    }
}

/// The attributes of one call of a local function, by name; empty outside of functions.
pub(crate) type Arguments<'m> = std::collections::HashMap<&'m str, &'m AttributeProto>;

/// The node's attributes, each with its name and the message that holds its value: its own, or, inside a function, the
/// caller's argument that it refers to.
pub(crate) fn resolved<'m>(
    node: &'m NodeProto,
    arguments: &Arguments<'m>,
) -> impl Iterator<Item = (&'m str, &'m AttributeProto)> {
    node.attribute.iter().filter_map(|a| {
        let name = a.name.as_deref().unwrap_or_default();
        match a.ref_attr_name.as_deref().filter(|r| !r.is_empty()) {
            None => Some((name, a)),
            Some(reference) => arguments.get(reference).map(|argument| (name, *argument)),
        }
    })
}

/// The attributes a graph can hold. Tensors and graphs are the business of the operators that have them; a string that is
/// not UTF-8 is a binary blob of some vendor and says nothing about cost.
pub(crate) fn attrs<'m>(node: &'m NodeProto, arguments: &Arguments<'m>) -> Attrs {
    resolved(node, arguments).filter_map(|(name, a)| Some((name, attr(a)?))).collect()
}

fn attr(a: &AttributeProto) -> Option<Attr> {
    let text = |b: &bytes::Bytes| String::from_utf8(b.to_vec()).ok();
    let kind = match a.r#type.unwrap_or(attribute_type::UNDEFINED) {
        attribute_type::UNDEFINED => guessed_type(a),
        kind => kind,
    };
    Some(match kind {
        attribute_type::FLOAT => Attr::Float(decimal(a.f.unwrap_or(0.0))),
        attribute_type::INT => Attr::Int(a.i.unwrap_or(0)),
        attribute_type::STRING => Attr::Str(text(a.s.as_ref()?)?),
        attribute_type::FLOATS => Attr::Floats(a.floats.iter().map(|&f| decimal(f)).collect()),
        attribute_type::INTS => Attr::Ints(a.ints.clone()),
        attribute_type::STRINGS => Attr::Strs(a.strings.iter().map(text).collect::<Option<_>>()?),
        _ => return None,
    })
}

/// About how many bytes an attribute takes in memory, without tensors and graphs.
pub(crate) fn size_of(a: &AttributeProto) -> u64 {
    let strings: usize = a.strings.iter().chain(&a.s).map(bytes::Bytes::len).sum();
    (64 + 8 * (a.ints.len() + a.floats.len()) + 24 * a.strings.len() + strings) as u64
}

/// IR version 1 had no type field.
fn guessed_type(a: &AttributeProto) -> i32 {
    if a.f.is_some() {
        attribute_type::FLOAT
    } else if a.i.is_some() {
        attribute_type::INT
    } else if a.s.is_some() {
        attribute_type::STRING
    } else if !a.floats.is_empty() {
        attribute_type::FLOATS
    } else if !a.ints.is_empty() {
        attribute_type::INTS
    } else if !a.strings.is_empty() {
        attribute_type::STRINGS
    } else {
        attribute_type::UNDEFINED
    }
}

/// The double that prints like the float: 1e-5 stays 1e-5, as the model's author wrote it.
fn decimal(f: f32) -> f64 {
    f.to_string().parse().unwrap_or(f64::from(f))
}
