//! `ledg-cost hardware detect`: a hardware file of this machine.

use std::io::Write;

use crate::Outcome;

/// Writes the file to stdout; it is checked as any other before.
#[cfg(feature = "tract")]
pub fn run(name: Option<&str>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    use ledg_cost_model::HardwareRegistry;
    let host = ledg_tract::Host::detect()?;
    let own = host.file_name();
    let now = jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string();
    let text = host.to_toml(name.unwrap_or(&own), &now);
    HardwareRegistry::builtin().add_toml_str("(this host)", &text)?;
    out.write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Without tract there is nothing to measure with.
#[cfg(not(feature = "tract"))]
pub fn run(_name: Option<&str>, _out: &mut dyn Write) -> anyhow::Result<Outcome> {
    Err(crate::tract::missing("hardware detect"))
}
