//! A set of templates: the built-in files and any that are added.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use ledg_graph::{Graph, OpType};
use once_cell::sync::OnceCell;
use sha2::{Digest, Sha256};

use crate::describe::UNKNOWN_CLASS;
use crate::error::{TemplateError, closest};
use crate::features::FEATURE_SCHEMA;
use crate::formula::Formulas;
use crate::fusion::{Fusion, FusionWire};
use crate::operator::{FileWire, Operator, parse_op};
use crate::part::Neighbours;

/// The version of the format of template files.
pub const TEMPLATE_SCHEMA: u32 = 1;

/// Templates of operators, classes and fusions. Immutable; share it between threads freely.
#[derive(Debug, Clone)]
pub struct TemplateSet {
    operators: Vec<Operator>,
    by_op: HashMap<OpType, usize>,
    ids: OpIds,
    /// By [`OpId`]: the operator's template.
    by_id: Vec<Option<usize>>,
    fusions: Vec<Fusion>,
    /// Worked out when it is first asked for.
    neighbours: OnceCell<Neighbours>,
    /// Who declared what: (kind, name) -> file.
    declared: IndexMap<(&'static str, String), String>,
    /// Class -> its documentation.
    classes: IndexMap<String, String>,
    formulas: Formulas,
    /// Domains of the operators of compiled plans.
    plan_domains: BTreeSet<String>,
    hash: Sha256,
    /// Number of the built-in templates, which come first; 0 while they are loaded.
    n_builtin: usize,
}

impl TemplateSet {
    /// The templates that ledg brings along (`configs/templates/*.toml`).
    ///
    /// # Errors
    /// None in a released library: the tests load the built-in files.
    pub fn builtin() -> Result<TemplateSet, TemplateError> {
        let mut set = TemplateSet::empty();
        for (origin, text) in crate::builtin::FILES {
            set.add(origin, text)?;
        }
        for (domain, origin, text) in crate::builtin::PLAN_FILES {
            set = set.with_plan_operators(domain, origin, text)?;
        }
        set.n_builtin = set.operators.len();
        Ok(set)
    }

    fn empty() -> TemplateSet {
        let mut hash = Sha256::new();
        hash.update(format!("ledg-template/{TEMPLATE_SCHEMA}/{FEATURE_SCHEMA}"));
        TemplateSet {
            operators: Vec::new(),
            by_op: HashMap::new(),
            ids: OpIds::default(),
            by_id: Vec::new(),
            fusions: Vec::new(),
            neighbours: OnceCell::new(),
            declared: IndexMap::new(),
            classes: IndexMap::new(),
            formulas: Formulas::default(),
            plan_domains: BTreeSet::new(),
            hash,
            n_builtin: 0,
        }
    }

    /// The set with the declarations of one more file, e.g. a vendor's.
    ///
    /// ```
    /// use ledg_graph::OpType;
    /// use ledg_template::TemplateSet;
    /// let lut = r#"
    ///     schema = 1
    ///     [[operator]]
    ///     op = "com.acme.Lut"
    ///     class = "Act"
    ///     sentence = "Lut"
    ///     dims = "elementwise"
    ///     flops = "out_elems"
    /// "#;
    /// let templates = TemplateSet::builtin()?.with_toml("acme.toml", lut)?;
    /// assert!(templates.knows(&OpType::new("com.acme", "Lut")));
    /// // What is declared already cannot be declared again.
    /// assert!(templates.with_toml("again.toml", lut).is_err());
    /// # Ok::<(), ledg_template::TemplateError>(())
    /// ```
    ///
    /// # Errors
    /// Malformed TOML, unknown keys, formulas, sentences or patterns that do not parse, and any operator, class or
    /// fusion that is declared already.
    pub fn with_toml(mut self, origin: &str, text: &str) -> Result<TemplateSet, TemplateError> {
        self.add(origin, text)?;
        Ok(self)
    }

    /// The set with the operators of an engine's compiled plans, which are all of one domain that the set does not have.
    ///
    /// Nothing that the set says of other graphs changes, so its [`fingerprint`](Self::fingerprint) does not either: a
    /// model that was trained with the set stays valid. A graph with such operators is known at its own batch size only,
    /// as a plan is made for one; see [`is_plan`](Self::is_plan).
    ///
    /// # Errors
    /// As [`with_toml`](Self::with_toml); also declarations other than operators of `domain`.
    pub fn with_plan_operators(mut self, domain: &str, origin: &str, text: &str) -> Result<TemplateSet, TemplateError> {
        let hash = self.hash.clone();
        let before = self.declared.len();
        self.add(origin, text)?;
        for (what, name) in self.declared.keys().skip(before) {
            if *what != "operator" || parse_op(name).domain != domain {
                let (origin, name) = (origin.to_owned(), name.clone());
                let why = "a set of plan operators declares operators of its own domain and nothing else";
                return Err(TemplateError::BadName { origin, what, name, why });
            }
        }
        self.hash = hash;
        self.plan_domains.insert(domain.to_owned());
        Ok(self)
    }

    /// Whether a graph is a compiled plan: whether any of its operators came by
    /// [`with_plan_operators`](Self::with_plan_operators).
    pub fn is_plan(&self, graph: &Graph) -> bool {
        !self.plan_domains.is_empty() && graph.nodes().iter().any(|n| self.plan_domains.contains(&n.op.domain))
    }

    fn add(&mut self, origin: &str, text: &str) -> Result<(), TemplateError> {
        let file: FileWire =
            toml::from_str(text).map_err(|e| TemplateError::Toml { origin: origin.to_owned(), source: Box::new(e) })?;
        self.add_file(origin, &file)
    }

    pub(crate) fn add_file(&mut self, origin: &str, file: &FileWire) -> Result<(), TemplateError> {
        if file.schema != TEMPLATE_SCHEMA {
            let origin = origin.to_owned();
            return Err(TemplateError::Schema { origin, found: file.schema, expected: TEMPLATE_SCHEMA });
        }
        for class in &file.class {
            if class.name == UNKNOWN_CLASS || !is_word(&class.name) {
                let why = "a class is one word, and `Unknown` is reserved";
                return Err(TemplateError::BadName {
                    origin: origin.to_owned(),
                    what: "class",
                    name: class.name.clone(),
                    why,
                });
            }
            self.declare("class", &class.name, origin)?;
            self.classes.insert(class.name.clone(), class.doc.clone());
        }
        for wire in &file.operator {
            let names = wire.op.as_slice();
            let name = names.first().map_or("", String::as_str);
            if let Some(bad) =
                names.iter().find(|n| !is_word(&parse_op(n).name)).cloned().or(names.is_empty().then(String::new))
            {
                let why = "an operator is a name, with its domain and a dot before it if it has one";
                return Err(TemplateError::BadName { origin: origin.to_owned(), what: "operator", name: bad, why });
            }
            for class in std::iter::once(&wire.class).chain(&wire.class_without_weight) {
                self.check_class(class, origin, name)?;
            }
            self.operators.push(Operator::compile(wire, origin, name, &mut self.formulas)?);
            for name in names {
                self.declare("operator", name, origin)?;
                self.by_op.insert(parse_op(name), self.operators.len() - 1);
            }
        }
        for wire in &file.fusion {
            self.declare("fusion", &wire.name, origin)?;
            if !self.knows(&parse_op(&wire.op)) {
                return Err(TemplateError::Fusion {
                    origin: origin.to_owned(),
                    fusion: wire.name.clone(),
                    line: None,
                    why: format!("it becomes `{}`, which no template covers", wire.op),
                });
            }
            let fusion = Fusion::compile(wire, origin, &mut self.ids)?;
            self.check_own(&fusion, wire, origin)?;
            self.fusions.push(fusion);
        }
        let ids = self.by_op.keys().map(|op| self.ids.intern(op)).collect::<Vec<_>>();
        self.by_id = vec![None; self.ids.len()];
        for (id, &operator) in ids.into_iter().zip(self.by_op.values()) {
            self.by_id[id.0 as usize] = Some(operator);
        }
        self.neighbours = OnceCell::new();
        // What was parsed is hashed, not the text: comments and layout do not matter, an absent key and a null one differ not.
        self.hash.update(format!("{file:?}"));
        Ok(())
    }

    /// A fusion from outside must not change graphs of built-in operators alone: these would be told otherwise, and cost
    /// otherwise, on every device.
    fn check_own(&self, fusion: &Fusion, wire: &FusionWire, origin: &str) -> Result<(), TemplateError> {
        let builtin = |op: &OpType| self.by_op.get(op).is_some_and(|&i| i < self.n_builtin);
        let Some(pattern) = fusion.patterns().position(|p| p.lines().all(|line| builtin(&line.op))) else {
            return Ok(());
        };
        Err(TemplateError::Fusion {
            origin: origin.to_owned(),
            fusion: wire.name.clone(),
            line: wire.patterns.get(pattern).map(|p| p.trim().to_owned()),
            why:
                "it matches built-in operators alone, so it would change the graphs of every device: name at least one \
                  operator of your own"
                    .to_owned(),
        })
    }

    fn declare(&mut self, what: &'static str, name: &str, origin: &str) -> Result<(), TemplateError> {
        match self.declared.insert((what, name.to_owned()), origin.to_owned()) {
            None => Ok(()),
            Some(first) => Err(TemplateError::Clash { origin: origin.to_owned(), what, name: name.to_owned(), first }),
        }
    }

    fn check_class(&self, class: &str, origin: &str, op: &str) -> Result<(), TemplateError> {
        if self.classes.contains_key(class) {
            return Ok(());
        }
        Err(TemplateError::UnknownClass {
            origin: origin.to_owned(),
            op: op.to_owned(),
            class: class.to_owned(),
            suggestion: closest(class, self.classes.keys().map(String::as_str)).to_owned(),
        })
    }

    /// A hash of everything that decides sentences and features. Equal sets give equal hashes; comments do not count.
    pub fn fingerprint(&self) -> String {
        use std::fmt::Write;
        let digest = self.hash.clone().finalize();
        digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether a template covers the operator.
    pub fn knows(&self, op: &OpType) -> bool {
        self.by_op.contains_key(op)
    }

    /// Class indicators and what they mean, in order of declaration.
    pub fn classes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.classes.iter().map(|(name, doc)| (name.as_str(), doc.as_str()))
    }

    /// Names of the operators that templates cover, in order of declaration.
    pub fn operator_names(&self) -> impl Iterator<Item = &str> {
        self.declared.keys().filter(|(what, _)| *what == "operator").map(|(_, name)| name.as_str())
    }

    /// Names of the fusions in the order in which they are tried.
    pub fn fusion_names(&self) -> impl Iterator<Item = &str> {
        self.fusions.iter().map(|f| f.name.as_str())
    }

    pub(crate) fn fusions(&self) -> &[Fusion] {
        &self.fusions
    }

    pub(crate) fn neighbours(&self) -> &Neighbours {
        self.neighbours.get_or_init(|| Neighbours::of(&self.fusions, self.n_ids()))
    }

    /// The number of an operator within this set.
    pub fn op_id(&self, op: &OpType) -> OpId {
        self.ids.get(op)
    }

    pub(crate) fn n_ids(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn operator_of(&self, id: OpId) -> Option<&Operator> {
        self.by_id.get(id.0 as usize).copied().flatten().map(|i| &self.operators[i])
    }
}

/// The number of an operator within a set of templates; all that the set does not name have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpId(u32);

impl OpId {
    /// An operator that the set does not name.
    pub(crate) const OTHER: OpId = OpId(u32::MAX);

    pub(crate) fn index(self) -> Option<usize> {
        (self != OpId::OTHER).then_some(self.0 as usize)
    }
}

/// The operators that templates and patterns name, numbered.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpIds(HashMap<OpType, OpId>);

impl OpIds {
    pub fn intern(&mut self, op: &OpType) -> OpId {
        let next = OpId(self.0.len() as u32);
        *self.0.entry(op.clone()).or_insert(next)
    }

    fn get(&self, op: &OpType) -> OpId {
        self.0.get(op).copied().unwrap_or(OpId::OTHER)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Letters, digits and underscores, at least one.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
