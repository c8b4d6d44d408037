//! What is known of a value while a model is imported, and what an operator rule sees of a node.

use std::rc::Rc;

use ledg_graph::{Attrs, ConstData, DType, Shape};

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub dtype: DType,
    /// `None` only downstream of an unknown operator.
    pub shape: Option<Shape>,
    /// The data of a small constant.
    pub data: Option<Rc<ConstData>>,
}

impl Fact {
    pub(crate) fn new(dtype: DType, shape: Shape) -> Self {
        Fact { dtype, shape: Some(shape), data: None }
    }

    /// A constant vector of integers.
    pub(crate) fn ints(dtype: DType, values: Vec<i64>) -> Self {
        Fact { dtype, shape: Some(vec![values.len() as u64]), data: Some(Rc::new(ConstData::Ints(values))) }
    }

    pub(crate) fn with_data(mut self, data: ConstData) -> Self {
        self.data = Some(Rc::new(data));
        self
    }
}

/// Why an operator rule gives no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// No rule knows the operator.
    NoRule,
    /// The shape of an input is unknown, because it is downstream of an unknown operator.
    UnknownShape,
    /// The output's shape depends on the value of an input that is not constant.
    NeedsValue(usize),
    /// The node cannot be right.
    Invalid(String),
}

/// A message is the reason why a node cannot be right.
impl From<String> for Stop {
    fn from(why: String) -> Self {
        Stop::Invalid(why)
    }
}

impl From<&str> for Stop {
    fn from(why: &str) -> Self {
        Stop::Invalid(why.to_owned())
    }
}

/// One node as operator rules see it.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    /// Operator type.
    pub op: &'a str,
    /// Operator domain; ONNX's own is empty.
    pub domain: &'a str,
    /// Version of the operator set in force.
    pub opset: i64,
    pub attrs: &'a Attrs,
    /// Data of a tensor attribute named `value` (ConstantOfShape).
    pub value: Option<Fact>,
    pub inputs: Vec<Option<&'a Fact>>,
    /// How many outputs the node names.
    pub n_outputs: usize,
}

impl<'a> Call<'a> {
    /// The fact of input `i`, if the node has it.
    pub(crate) fn input(&self, i: usize) -> Option<&'a Fact> {
        self.inputs.get(i).copied().flatten()
    }

    pub(crate) fn has(&self, i: usize) -> bool {
        self.input(i).is_some()
    }

    fn required(&self, i: usize) -> Result<&'a Fact, Stop> {
        self.input(i).ok_or_else(|| Stop::Invalid(format!("input {i} is missing")))
    }

    /// The shape of input `i`, which the operator requires.
    pub(crate) fn shape(&self, i: usize) -> Result<&'a [u64], Stop> {
        self.required(i)?.shape.as_deref().ok_or(Stop::UnknownShape)
    }

    /// The shape of input `i` and a check of its rank.
    pub(crate) fn shape_of_rank(&self, i: usize, ranks: std::ops::RangeInclusive<usize>) -> Result<&'a [u64], Stop> {
        let shape = self.shape(i)?;
        if ranks.contains(&shape.len()) {
            return Ok(shape);
        }
        let wanted = if ranks.start() == ranks.end() {
            format!("{}", ranks.start())
        } else {
            format!("at least {}", ranks.start())
        };
        Err(Stop::Invalid(format!("input {i} has shape {shape:?}, rank {wanted} is needed")))
    }

    /// The element type of input `i`, which the operator requires.
    pub(crate) fn dtype(&self, i: usize) -> Result<DType, Stop> {
        Ok(self.required(i)?.dtype)
    }

    /// The integers of input `i`, on which the output's shape depends.
    pub(crate) fn ints(&self, i: usize) -> Result<&'a [i64], Stop> {
        let data = self.required(i)?.data.as_ref().ok_or(Stop::NeedsValue(i))?;
        data.ints().ok_or_else(|| Stop::Invalid(format!("input {i} should hold integers")))
    }

    /// The integers of input `i` if the node has that input, else those of an attribute: operators whose attribute
    /// became an input in a later operator set.
    pub(crate) fn ints_or_attr(&self, i: usize, attr: &str) -> Result<Option<&'a [i64]>, Stop> {
        if self.has(i) { self.ints(i).map(Some) } else { Ok(self.attrs.ints(attr)) }
    }

    /// The only integer of input `i`.
    pub(crate) fn scalar_int(&self, i: usize) -> Result<i64, Stop> {
        match self.ints(i)? {
            [v] => Ok(*v),
            v => Err(Stop::Invalid(format!("input {i} should hold one integer, it holds {}", v.len()))),
        }
    }

    /// The numbers of input `i`; integers are converted.
    pub(crate) fn floats(&self, i: usize) -> Result<Vec<f64>, Stop> {
        Ok(match &**self.required(i)?.data.as_ref().ok_or(Stop::NeedsValue(i))? {
            ConstData::Floats(v) => v.clone(),
            ConstData::Ints(v) => v.iter().map(|&x| x as f64).collect(),
        })
    }

    pub(crate) fn attr_int(&self, name: &str, default: i64) -> i64 {
        self.attrs.int(name).unwrap_or(default)
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.attr_int(name, i64::from(default)) != 0
    }

    /// One output with the element type of input 0.
    pub(crate) fn one(&self, shape: Shape) -> Result<Vec<Fact>, Stop> {
        Ok(vec![Fact::new(self.dtype(0)?, shape)])
    }
}

/// An axis counted from the front.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Stop> {
    let signed = rank as i64;
    let place = if axis < 0 { axis.checked_add(signed).unwrap_or(-1) } else { axis };
    if (0..signed).contains(&place) {
        return Ok(place as usize);
    }
    Err(Stop::Invalid(format!("axis {axis} is outside of rank {rank}")))
}

/// Distinct axes counted from the front, ascending.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, Stop> {
    let mut places = given.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    if places.windows(2).any(|w| w[0] == w[1]) {
        return Err(Stop::Invalid(format!("axes {given:?} name an axis twice")));
    }
    Ok(places)
}

/// Number of elements of a shape.
pub(crate) fn count(shape: &[u64]) -> Result<u64, Stop> {
    shape
        .iter()
        .try_fold(1u64, |n, &d| n.checked_mul(d))
        .ok_or_else(|| Stop::Invalid(format!("shape {shape:?} has more elements than can be counted")))
}

/// A size computed in signed arithmetic, which must not be negative.
pub(crate) fn size(value: Option<i64>, what: &str) -> Result<u64, Stop> {
    match value {
        Some(v) if v >= 0 => Ok(v as u64),
        Some(v) => Err(Stop::Invalid(format!("{what} would be {v}"))),
        None => Err(Stop::Invalid(format!("{what} overflows"))),
    }
}
