//! Variants of an experiment: the same work with a few settings changed, so that an ablation is a line and not a file.
//!
//! **Invariant:** a variant is an experiment like any other: its settings have their own hash, its runs their own folders.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::Experiment;

/// A variant: settings that take the place of the experiment's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name; results go to `runs/<experiment>/<name>/`.
    pub name: String,
    /// Keys of `[data]` that differ.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub data: Table,
    /// Keys of `[split]` that differ.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub split: Table,
    /// Keys of `[model]` that differ.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub model: Table,
    /// Keys of `[train]` that differ.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub train: Table,
}

impl Experiment {
    /// The experiment as it is, then each variant as an experiment of its own, named `<experiment>/<variant>`.
    ///
    /// # Errors
    /// Names the variant whose settings cannot be, or whose name is no folder's or another's.
    pub fn expanded(&self) -> Result<Vec<Experiment>> {
        let base = Experiment { variants: Vec::new(), ..self.clone() };
        let mut all = vec![base.clone()];
        for variant in &self.variants {
            let name = format!("{}/{}", self.name, variant.name);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
            ensure!(
                variant.name.starts_with(|c: char| c.is_ascii_alphanumeric()) && variant.name.chars().all(plain),
                "variant `{}`: a name holds letters, digits, `-`, `_` and `.`, and starts with one of the first two",
                variant.name
            );
            ensure!(!all.iter().any(|e| e.name == name), "variant `{}` is there twice", variant.name);
            all.push(of(&base, variant, name).with_context(|| format!("variant `{}`", variant.name))?);
        }
        Ok(all)
    }
}

fn of(base: &Experiment, variant: &Variant, name: String) -> Result<Experiment> {
    let mut table = Table::try_from(base)?;
    let parts =
        [("data", &variant.data), ("split", &variant.split), ("model", &variant.model), ("train", &variant.train)];
    ensure!(parts.iter().any(|(_, changes)| !changes.is_empty()), "changes nothing");
    for (part, changes) in parts {
        if let Some(Value::Table(own)) = table.get_mut(part) {
            merge(own, changes);
        }
    }
    let mut experiment: Experiment = Value::Table(table).try_into()?;
    experiment.name = name;
    experiment.check()?;
    Ok(experiment)
}

/// Puts values in place of those of the same key; tables are merged.
fn merge(own: &mut Table, changes: &Table) {
    for (key, change) in changes {
        match (own.get_mut(key), change) {
            (Some(Value::Table(own)), Value::Table(change)) => merge(own, change),
            _ => {
                own.insert(key.clone(), change.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledg_cost_model::predictor::Attention;

    const FAMILIES: &str = include_str!("../../../configs/experiments/timm-families.toml");

    fn with(variants: &str) -> Result<Vec<Experiment>> {
        toml::from_str::<Experiment>(&format!("{FAMILIES}\n{variants}"))?.expanded()
    }

    #[test]
    fn a_variant_differs_in_what_it_names() {
        let text =
            "[[variants]]\nname = \"global\"\nmodel.attention = \"global\"\ntrain = { epochs = 3, graphs = 100 }\n";
        let all = with(text).unwrap();
        assert_eq!(all.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["timm-families", "timm-families/global"]);
        let (base, variant) = (&all[0], &all[1]);
        assert_eq!((base.model.attention, variant.model.attention), (Attention::Dgsa, Attention::Global));
        assert_eq!((variant.train.epochs, variant.train.graphs), (3, Some(100)));
        assert_eq!(variant.train.learning_rate, base.train.learning_rate);
        assert_eq!(variant.seeds, base.seeds);
        assert_ne!(crate::run::config_hash(base).unwrap(), crate::run::config_hash(variant).unwrap());
        let plain: Experiment = toml::from_str(FAMILIES).unwrap();
        assert_eq!(crate::run::config_hash(&plain).unwrap(), crate::run::config_hash(base).unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let error = |text: &str| format!("{:#}", with(text).unwrap_err());
        let unknown = error("[[variants]]\nname = \"a\"\nmodel.atention = \"global\"\n");
        assert!(unknown.contains("variant `a`") && unknown.contains("atention"), "{unknown}");
        let wrong = error("[[variants]]\nname = \"b\"\ntrain.epochs = 0\n");
        assert!(wrong.contains("variant `b`") && wrong.contains("train.epochs"), "{wrong}");
        assert!(error("[[variants]]\nname = \"c\"\n").contains("changes nothing"));
        assert!(error("[[variants]]\nname = \"../c\"\ntrain.epochs = 1\n").contains("../c"));
        let twice = "[[variants]]\nname = \"d\"\ntrain.epochs = 1\n";
        assert!(error(&format!("{twice}{twice}")).contains("twice"));
    }
}
