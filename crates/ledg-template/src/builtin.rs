//! The template files that are compiled in.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of each file. Classes come first, fusions last: they are declared before they are used.
        pub(crate) const FILES: &[(&str, &str)] = &[$((
            concat!("configs/templates/", $name),
            include_str!(concat!("../../../configs/templates/", $name)),
        )),+];
    };
}

files![
    "classes.toml",
    "conv.toml",
    "matmul.toml",
    "elementwise.toml",
    "activation.toml",
    "norm.toml",
    "pool.toml",
    "reduce.toml",
    "move.toml",
    "view.toml",
    "attention.toml",
    "recurrent.toml",
    "quant.toml",
    "fusions.toml",
];

/// Operators of compiled plans: domain, name and text of each file. They stay out of the fingerprint.
pub(crate) const PLAN_FILES: &[(&str, &str, &str)] =
    &[("tract", "configs/templates/tract.toml", include_str!("../../../configs/templates/tract.toml"))];
