//! Typed attributes of a node.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// One attribute. On the wire it is tagged by its type: `{"ints": [3, 3]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attr {
    /// An integer (ONNX `INT`; booleans are 0 and 1).
    Int(i64),
    /// A floating-point number (ONNX `FLOAT`).
    Float(f64),
    /// A UTF-8 string (ONNX `STRING`).
    Str(String),
    /// Integers (ONNX `INTS`).
    Ints(Vec<i64>),
    /// Floating-point numbers (ONNX `FLOATS`).
    Floats(Vec<f64>),
    /// Strings (ONNX `STRINGS`).
    Strs(Vec<String>),
}

/// Attributes by name, in the order they were given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attrs(IndexMap<String, Attr>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an attribute, builder style.
    pub fn with(mut self, name: &str, attr: Attr) -> Self {
        self.0.insert(name.to_owned(), attr);
        self
    }

    /// Adds or replaces an attribute.
    pub fn insert(&mut self, name: impl Into<String>, attr: Attr) {
        self.0.insert(name.into(), attr);
    }

    /// The attribute of that name.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.get(name)
    }

    /// The integer of that name; `None` when absent or of another type.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Attr::Int(v)) => Some(*v),
            _ => None,
        }
    }

    /// The number of that name; integers are converted.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(Attr::Float(v)) => Some(*v),
            Some(Attr::Int(v)) => Some(*v as f64),
            _ => None,
        }
    }

    /// The string of that name.
    pub fn str(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Attr::Str(v)) => Some(v),
            _ => None,
        }
    }

    /// The integers of that name.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.0.get(name) {
            Some(Attr::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// The numbers of that name.
    pub fn floats(&self, name: &str) -> Option<&[f64]> {
        match self.0.get(name) {
            Some(Attr::Floats(v)) => Some(v),
            _ => None,
        }
    }

    /// All attributes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<String>> FromIterator<(S, Attr)> for Attrs {
    fn from_iter<T: IntoIterator<Item = (S, Attr)>>(iter: T) -> Self {
        Attrs(iter.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}
