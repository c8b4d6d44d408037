//! A first walk over the wire format that measures a model before anything is allocated for it.
//!
//! Decoded structures are larger than their bytes (an empty node is two bytes in the file and two hundred in memory), so
//! limits are checked here, by skipping from field to field.
//!
//! **Invariant:** allocates nothing and touches no tensor payload.

/// What a model consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Measure {
    /// Nodes of all graphs and functions, nested ones included.
    pub nodes: u64,
    /// Bytes that are not tensor payload.
    pub structure_bytes: u64,
}

/// Messages whose fields matter for measuring.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    /// Counted whole.
    Other,
    /// Tensor payload, not counted.
    Payload,
}

fn kind_of_field(kind: Kind, field: u64) -> Kind {
    match (kind, field) {
        (Kind::Model, 7) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Graph, 5) => Kind::Tensor,
        (Kind::Graph, 15) => Kind::SparseTensor,
        (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
        (Kind::Attribute, 5 | 10) => Kind::Tensor,
        (Kind::Attribute, 6 | 11) => Kind::Graph,
        (Kind::Attribute, 22 | 23) => Kind::SparseTensor,
        (Kind::SparseTensor, 1 | 2) => Kind::Tensor,
        // float, int32, int64, raw, double and uint64 data.
        (Kind::Tensor, 4 | 5 | 7 | 9 | 10 | 11) => Kind::Payload,
        _ => Kind::Other,
    }
}

/// Measures a model.
///
/// # Errors
/// The place where the bytes stop being protobuf.
pub(crate) fn measure(bytes: &[u8]) -> Result<Measure, String> {
    let mut total = Measure::default();
    walk(bytes, 0, Kind::Model, 0, &mut total)?;
    Ok(total)
}

/// prost refuses deeper nesting too.
const MAX_DEPTH: u32 = 100;

fn walk(bytes: &[u8], base: usize, kind: Kind, depth: u32, total: &mut Measure) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("messages nest deeper than {MAX_DEPTH} at byte {base}"));
    }
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let key = varint(bytes, &mut at).ok_or_else(|| format!("a field key breaks off at byte {}", base + start))?;
        let (field, wire) = (key >> 3, key & 7);
        let skip = match wire {
            0 => {
                varint(bytes, &mut at).ok_or_else(|| format!("a number breaks off at byte {}", base + start))?;
                0
            }
            1 => 8,
            5 => 4,
            2 => varint(bytes, &mut at).ok_or_else(|| format!("a length breaks off at byte {}", base + start))?,
            _ => return Err(format!("byte {} is no protobuf field (wire type {wire})", base + start)),
        };
        let end = usize::try_from(skip).ok().and_then(|n| at.checked_add(n)).filter(|&end| end <= bytes.len());
        let Some(end) = end else {
            let left = bytes.len() - at;
            return Err(format!("field {field} at byte {} should have {skip} bytes, {left} are left", base + start));
        };
        total.structure_bytes += (at - start) as u64;
        let inner = if wire == 2 { kind_of_field(kind, field) } else { Kind::Other };
        match inner {
            Kind::Payload => {}
            Kind::Other => total.structure_bytes += (end - at) as u64,
            _ => {
                total.nodes += u64::from(matches!(inner, Kind::Node));
                walk(&bytes[at..end], base + at, inner, depth + 1, total)?;
            }
        }
        at = end;
    }
    Ok(())
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_not_structure() {
        // Model { graph { node {} , initializer { raw_data: 5 bytes } } }
        let tensor = [0x4a, 5, 1, 2, 3, 4, 5];
        let mut graph = vec![0x0a, 0, 0x2a, tensor.len() as u8];
        graph.extend(tensor);
        let mut model = vec![0x3a, graph.len() as u8];
        model.extend(&graph);
        assert_eq!(measure(&model), Ok(Measure { nodes: 1, structure_bytes: 2 + 2 + 2 + 2 }));
        model.pop();
        assert!(measure(&model).is_err());
    }
}
