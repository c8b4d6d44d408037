//! What a template says of an operator of ordinary sizes: for authors, who have no graph at hand.

use ledg_graph::{Attr, Attrs, DType, GraphBuilder, OpType};

use crate::describe::NodeDescription;
use crate::error::TemplateError;
use crate::extract::DimsKind;
use crate::lower::LowerOptions;
use crate::operator::parse_op;
use crate::set::TemplateSet;

/// An operand of a sample.
enum Operand {
    Data(&'static [u64]),
    Weight(&'static [u64]),
}
use Operand::{Data, Weight};

/// A node of ordinary sizes.
struct Sample {
    what: &'static str,
    operands: Vec<Operand>,
    attrs: Vec<(&'static str, Attr)>,
    output: &'static [u64],
}

fn sample(
    what: &'static str,
    operands: Vec<Operand>,
    attrs: Vec<(&'static str, Attr)>,
    output: &'static [u64],
) -> Sample {
    Sample { what, operands, attrs, output }
}

fn ints(values: &[i64]) -> Attr {
    Attr::Ints(values.to_vec())
}

const MAP: &[u64] = &[1, 64, 56, 56];
const TOKENS: &[u64] = &[1, 128, 256];

fn samples(dims: DimsKind) -> Vec<Sample> {
    let window = |k: i64, stride: i64, pad: i64| {
        vec![("kernel_shape", ints(&[k, k])), ("strides", ints(&[stride, stride])), ("pads", ints(&[pad; 4]))]
    };
    match dims {
        DimsKind::Conv => vec![
            sample(
                "64 to 128 channels, 3x3, on 56x56",
                vec![Data(MAP), Weight(&[128, 64, 3, 3])],
                window(3, 1, 1),
                &[1, 128, 56, 56],
            ),
            sample(
                "64 channels, depthwise, 3x3, stride 2, on 56x56",
                vec![Data(MAP), Weight(&[64, 1, 3, 3])],
                [window(3, 2, 1), vec![("group", Attr::Int(64))]].concat(),
                &[1, 64, 28, 28],
            ),
        ],
        DimsKind::ConvTranspose => vec![sample(
            "64 to 32 channels, 2x2, stride 2, on 28x28",
            vec![Data(&[1, 64, 28, 28]), Weight(&[64, 32, 2, 2])],
            window(2, 2, 0),
            &[1, 32, 56, 56],
        )],
        DimsKind::Matmul => {
            vec![sample("128 x 256 times 256 x 512", vec![Data(TOKENS), Weight(&[256, 512])], vec![], &[1, 128, 512])]
        }
        DimsKind::Gemm => {
            vec![sample("128 x 256 times 256 x 512", vec![Data(&[128, 256]), Weight(&[256, 512])], vec![], &[128, 512])]
        }
        DimsKind::Einsum => vec![sample(
            "bij,bjk->bik of 8 x 128 x 64 and 8 x 64 x 128",
            vec![Data(&[8, 128, 64]), Data(&[8, 64, 128])],
            vec![("equation", Attr::Str("bij,bjk->bik".into()))],
            &[8, 128, 128],
        )],
        DimsKind::Recurrent => vec![sample(
            "32 steps, 64 to 128, four gates",
            vec![Data(&[32, 1, 64]), Weight(&[1, 512, 64]), Weight(&[1, 512, 128])],
            vec![("hidden_size", Attr::Int(128))],
            &[32, 1, 1, 128],
        )],
        DimsKind::Attention => {
            const HEADS: &[u64] = &[1, 12, 128, 64];
            vec![sample("12 heads of 64, 128 tokens", vec![Data(HEADS), Data(HEADS), Data(HEADS)], vec![], HEADS)]
        }
        DimsKind::Pool => {
            vec![sample("2x2, stride 2, on 64 x 56 x 56", vec![Data(MAP)], window(2, 2, 0), &[1, 64, 28, 28])]
        }
        DimsKind::Reduce => {
            vec![sample("over space, of 64 x 56 x 56", vec![Data(MAP)], vec![("axes", ints(&[2, 3]))], &[1, 64, 1, 1])]
        }
        DimsKind::Norm => vec![sample(
            "128 tokens of 256",
            vec![Data(TOKENS), Weight(&[256]), Weight(&[256])],
            vec![("axis", Attr::Int(-1))],
            TOKENS,
        )],
        DimsKind::Elementwise => vec![sample("64 x 56 x 56", vec![Data(MAP)], vec![], MAP)],
        DimsKind::Stated => vec![sample(
            "64 x 256 times 256 x 3136, as stated",
            vec![Data(MAP)],
            vec![("m", Attr::Int(64)), ("k", Attr::Int(256)), ("n", Attr::Int(3136))],
            MAP,
        )],
        DimsKind::Move | DimsKind::Gather => {
            vec![sample("64 x 56 x 56", vec![Data(MAP)], vec![("axis", Attr::Int(1))], MAP)]
        }
    }
}

impl TemplateSet {
    /// An operator as its template describes it at ordinary sizes, each with a word about these; empty for an operator
    /// that no template covers, and for a view, which costs nothing.
    ///
    /// # Errors
    /// What lowering refuses in the sample.
    pub fn samples(&self, op: &str) -> Result<Vec<(&'static str, NodeDescription)>, TemplateError> {
        let op = parse_op(op);
        let Some(operator) = self.operator_of(self.op_id(&op)).filter(|o| !o.is_view() && !o.fixed) else {
            return Ok(Vec::new());
        };
        let slots = operator.operands;
        samples(operator.dims).into_iter().map(|s| Ok((s.what, self.describe_sample(&op, slots, &s)?))).collect()
    }

    fn describe_sample(
        &self,
        op: &OpType,
        [data, weight]: [usize; 2],
        s: &Sample,
    ) -> Result<NodeDescription, TemplateError> {
        let mut b = GraphBuilder::new("sample");
        let mut inputs = Vec::new();
        for (i, operand) in s.operands.iter().enumerate() {
            // The first two stand where the template says that they stand.
            let slot = [data, weight].get(i).copied().unwrap_or(inputs.len()).min(16);
            let id = match operand {
                Data(shape) => b.input(format!("x{i}"), DType::F32, shape),
                Weight(shape) => b.weight(format!("w{i}"), DType::F32, shape),
            };
            if inputs.len() <= slot {
                inputs.resize(slot + 1, None);
            }
            inputs[slot] = Some(id);
        }
        let y = b.activation("y", DType::F32, Some(s.output));
        let attrs = s.attrs.iter().fold(Attrs::new(), |attrs, (name, value)| attrs.with(name, value.clone()));
        b.node("sample", op.clone(), attrs, &inputs, &[y]);
        b.output(y);
        let lowered = self.lower(&b.finish()?, &LowerOptions::default())?;
        let nothing = || TemplateError::NothingToCost { graph: "sample".into(), n_nodes: 1 };
        self.describe(&lowered).into_iter().next().ok_or_else(nothing)
    }
}
