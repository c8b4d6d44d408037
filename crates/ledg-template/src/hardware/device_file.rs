//! A device's TOML file: reading, and every check that needs its lines.

use super::catalogue::{Catalogue, RawRuntime};
use super::device::{Device, Kind, Peaks, Source};
use super::error::HardwareError;
use super::runtime::Runtime;
use crate::place::Place;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;

/// The schema of every file under `configs/hardware`.
pub(super) const SCHEMA: i64 = 1;

/// A file's TOML with the places of all its parts.
pub(super) type Document<'t> = Spanned<DeTable<'t>>;

/// A text with the name it is blamed under.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Located<'_> {
    /// The place of a span of bytes.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::of(self.text, span)
    }

    /// The place of a string of the file, as it stands between quotes; the file's beginning if it is not spelled out.
    pub(super) fn place_of_string(&self, value: &str) -> Place {
        let quoted = ['"', '\''].map(|q| self.text.find(&format!("{q}{value}{q}")));
        let at = quoted.into_iter().flatten().min();
        self.place(at.map_or(0..0, |at| at..at + value.len() + 2))
    }

    pub(super) fn text_error(
        &self,
        field: &'static str,
        value: &Spanned<String>,
        problem: &'static str,
    ) -> HardwareError {
        HardwareError::Text {
            file: self.file.to_owned(),
            place: self.place(value.span()),
            field,
            value: value.get_ref().clone(),
            problem,
        }
    }
}

/// Reads TOML into `T`; what is wrong carries its place.
pub(super) fn parse_toml<T: DeserializeOwned>(located: &Located<'_>) -> Result<T, HardwareError> {
    from_document(located, parse_document(located)?)
}

/// Reads TOML.
pub(super) fn parse_document<'t>(located: &Located<'t>) -> Result<Document<'t>, HardwareError> {
    DeTable::parse(located.text).map_err(|e| syntax(located, &e))
}

/// A document as `T`.
pub(super) fn from_document<T: DeserializeOwned>(
    located: &Located<'_>,
    document: Document<'_>,
) -> Result<T, HardwareError> {
    T::deserialize(toml::Deserializer::from(document)).map_err(|e| syntax(located, &e))
}

fn syntax(located: &Located<'_>, error: &toml::de::Error) -> HardwareError {
    HardwareError::Syntax {
        file: located.file.to_owned(),
        place: error.span().map(|span| located.place(span)),
        message: with_key(located.text, error),
    }
}

/// What the TOML reader says, with the key that it does not name where a value is of the wrong type or a key is there twice.
pub(super) fn with_key(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let lacks_key = message.starts_with("invalid") || message.starts_with("duplicate key");
    let key = error.span().filter(|_| lacks_key).and_then(|span| {
        let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..].lines().next()?;
        let key = line.split_once('=').map_or(line, |(key, _)| key).trim().trim_matches(['[', ']']).trim();
        let is_key = |c: char| c.is_ascii_alphanumeric() || "._-\"".contains(c);
        (!key.is_empty() && key.len() <= 64 && key.chars().all(is_key)).then(|| key.to_owned())
    });
    key.map_or_else(|| message.to_owned(), |key| format!("{key}: {message}"))
}

pub(super) fn check_schema(located: &Located<'_>, schema: &Spanned<i64>) -> Result<(), HardwareError> {
    match *schema.get_ref() {
        SCHEMA => Ok(()),
        found => Err(HardwareError::Schema {
            file: located.file.to_owned(),
            place: located.place(schema.span()),
            found,
            supported: SCHEMA,
        }),
    }
}

/// A word of a sentence: short, printable, no spaces at its ends.
pub(super) fn check_word(
    located: &Located<'_>,
    field: &'static str,
    value: &Spanned<String>,
) -> Result<(), HardwareError> {
    let text = value.get_ref();
    if text.is_empty() || text.trim() != text || text.chars().count() > 64 || text.chars().any(char::is_control) {
        return Err(located.text_error(field, value, "expected 1 to 64 printable characters without outer spaces"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceFile {
    schema: Spanned<i64>,
    name: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    vendor: Spanned<String>,
    vendor_short: Spanned<String>,
    kind: Kind,
    architecture: Spanned<String>,
    year: Option<Spanned<f64>>,
    units: Option<Spanned<f64>>,
    clock_mhz: Option<Spanned<f64>>,
    base_clock_mhz: Option<Spanned<f64>>,
    tdp_w: Option<Spanned<f64>>,
    memory_gb: Option<Spanned<f64>>,
    memory_bandwidth_gb_s: Option<Spanned<f64>>,
    l2_cache_mb: Option<Spanned<f64>>,
    l1_kb: Option<Spanned<f64>>,
    launch_overhead_us: Option<Spanned<f64>>,
    default_runtime: Option<Spanned<String>>,
    #[serde(default)]
    runtimes: Vec<Spanned<String>>,
    note: Option<String>,
    peak: PeakTable,
    runtime: Option<Spanned<RawRuntime>>,
    #[serde(default)]
    source: Vec<SourceTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeakTable {
    fp64: Option<Spanned<f64>>,
    fp32: Option<Spanned<f64>>,
    fp32_vector: Option<Spanned<f64>>,
    tf32: Option<Spanned<f64>>,
    fp16: Option<Spanned<f64>>,
    bf16: Option<Spanned<f64>>,
    int16: Option<Spanned<f64>>,
    int8: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTable {
    fields: Vec<Spanned<String>>,
    title: Spanned<String>,
    publisher: Spanned<String>,
    url: Option<String>,
    derived: Option<String>,
    note: Option<String>,
}

/// Reads and checks a device file.
pub(super) fn parse_device(file: &str, text: &str, catalogue: &Catalogue) -> Result<Device, HardwareError> {
    let located = Located { file, text };
    read_device(located, parse_document(&located)?, catalogue)
}

/// Reads and checks a device from its file's TOML.
pub(super) fn read_device(
    located: Located<'_>,
    document: Document<'_>,
    catalogue: &Catalogue,
) -> Result<Device, HardwareError> {
    let file = located.file;
    let raw: DeviceFile = from_document(&located, document)?;
    check_schema(&located, &raw.schema)?;
    check_id(&located, &raw.name)?;
    for alias in &raw.aliases {
        check_alias(&located, alias)?;
    }
    check_word(&located, "vendor", &raw.vendor)?;
    check_word(&located, "vendor_short", &raw.vendor_short)?;
    check_word(&located, "architecture", &raw.architecture)?;

    let mut figures = Figures { located: &located, stated: Vec::new() };
    let peak = Peaks {
        fp64: figures.take("peak.fp64", &raw.peak.fp64)?,
        fp32: figures.take("peak.fp32", &raw.peak.fp32)?,
        fp32_vector: figures.take("peak.fp32_vector", &raw.peak.fp32_vector)?,
        tf32: figures.take("peak.tf32", &raw.peak.tf32)?,
        fp16: figures.take("peak.fp16", &raw.peak.fp16)?,
        bf16: figures.take("peak.bf16", &raw.peak.bf16)?,
        int16: figures.take("peak.int16", &raw.peak.int16)?,
        int8: figures.take("peak.int8", &raw.peak.int8)?,
    };
    if figures.stated.is_empty() {
        return Err(HardwareError::NoPeakAtAll { file: file.to_owned() });
    }
    let (default_runtime, runtimes) =
        read_runtimes(&located, catalogue, &peak, raw.default_runtime, raw.runtimes, raw.runtime)?;
    let device = Device {
        origin: file.to_owned(),
        name: raw.name.into_inner(),
        aliases: raw.aliases.into_iter().map(Spanned::into_inner).collect(),
        vendor: raw.vendor.into_inner(),
        vendor_short: raw.vendor_short.into_inner(),
        kind: raw.kind,
        architecture: raw.architecture.into_inner(),
        year: figures.take("year", &raw.year)?,
        units: figures.take("units", &raw.units)?,
        clock_mhz: figures.take("clock_mhz", &raw.clock_mhz)?,
        base_clock_mhz: figures.take("base_clock_mhz", &raw.base_clock_mhz)?,
        tdp_w: figures.take("tdp_w", &raw.tdp_w)?,
        memory_gb: figures.take("memory_gb", &raw.memory_gb)?,
        memory_bandwidth_gb_s: figures.take("memory_bandwidth_gb_s", &raw.memory_bandwidth_gb_s)?,
        l2_cache_mb: figures.take("l2_cache_mb", &raw.l2_cache_mb)?,
        l1_kb: figures.take("l1_kb", &raw.l1_kb)?,
        launch_overhead_us: figures.take("launch_overhead_us", &raw.launch_overhead_us)?,
        peak,
        note: raw.note,
        default_runtime,
        runtimes,
        sources: Vec::new(),
    };
    let sources = figures.check_sources(raw.source)?;
    Ok(Device { sources, ..device })
}

/// The figures a file states, collected as they are read, so that none escapes the check of its source.
struct Figures<'a> {
    located: &'a Located<'a>,
    stated: Vec<(&'static str, Place)>,
}

impl Figures<'_> {
    fn take(&mut self, field: &'static str, value: &Option<Spanned<f64>>) -> Result<Option<f64>, HardwareError> {
        let Some(value) = value else { return Ok(None) };
        let place = self.located.place(value.span());
        let number = *value.get_ref();
        if !number.is_finite() || number <= 0.0 {
            let file = self.located.file.to_owned();
            return Err(HardwareError::Figure { file, place, field: field.to_owned(), value: number });
        }
        self.stated.push((field, place));
        Ok(Some(number))
    }

    fn check_sources(&self, raw: Vec<SourceTable>) -> Result<Vec<Source>, HardwareError> {
        let file = || self.located.file.to_owned();
        let mut sources = Vec::with_capacity(raw.len());
        for source in raw {
            for (field, text) in [("source.title", &source.title), ("source.publisher", &source.publisher)] {
                if text.get_ref().trim().is_empty() {
                    return Err(self.located.text_error(field, text, "a source names its document and publisher"));
                }
            }
            for field in &source.fields {
                if !self.stated.iter().any(|(stated, _)| stated == field.get_ref()) {
                    let place = self.located.place(field.span());
                    let field = field.get_ref().clone();
                    return Err(HardwareError::SourceWithoutFigure { file: file(), place, field });
                }
            }
            sources.push(Source {
                fields: source.fields.into_iter().map(Spanned::into_inner).collect(),
                title: source.title.into_inner(),
                publisher: source.publisher.into_inner(),
                url: source.url,
                derived: source.derived,
                note: source.note,
            });
        }
        for (field, place) in &self.stated {
            if !sources.iter().any(|s| s.fields.iter().any(|f| f == field)) {
                return Err(HardwareError::MissingSource { file: file(), place: *place, field: (*field).to_owned() });
            }
        }
        Ok(sources)
    }
}

fn read_runtimes(
    located: &Located<'_>,
    catalogue: &Catalogue,
    peak: &Peaks,
    default: Option<Spanned<String>>,
    listed: Vec<Spanned<String>>,
    inline: Option<Spanned<RawRuntime>>,
) -> Result<(Runtime, Vec<(String, Runtime)>), HardwareError> {
    let with_peak = |name: &str, span: Range<usize>, runtime: Runtime| match peak.matmul(runtime.precision) {
        Some(_) => Ok(runtime),
        None => Err(HardwareError::RuntimeWithoutPeak {
            file: located.file.to_owned(),
            place: located.place(span),
            runtime: name.to_owned(),
            precision: runtime.precision,
            figure: Peaks::field(runtime.precision),
        }),
    };
    let profile = |field: &'static str, name: &Spanned<String>| match catalogue.profile(name.get_ref()) {
        Some(runtime) => with_peak(name.get_ref(), name.span(), runtime.clone()),
        None => Err(HardwareError::UnknownReference {
            file: located.file.to_owned(),
            place: located.place(name.span()),
            field,
            name: name.get_ref().clone(),
            known: catalogue.profile_names(),
        }),
    };
    let default = match (default, inline) {
        (Some(name), None) => profile("default_runtime", &name)?,
        (None, Some(raw)) => {
            let span = raw.span();
            with_peak("runtime", span, catalogue.runtime(located, raw.into_inner())?)?
        }
        _ => return Err(HardwareError::DefaultRuntime { file: located.file.to_owned() }),
    };
    let runtimes = listed.into_iter().map(|name| Ok((name.get_ref().clone(), profile("runtimes", &name)?)));
    Ok((default, runtimes.collect::<Result<_, HardwareError>>()?))
}

fn check_id(located: &Located<'_>, name: &Spanned<String>) -> Result<(), HardwareError> {
    let text = name.get_ref();
    let kebab = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !kebab || text.len() > 64 || text.split('-').any(str::is_empty) {
        return Err(located.text_error("name", name, "an id is lowercase words joined by -, such as nvidia-t4"));
    }
    Ok(())
}

fn check_alias(located: &Located<'_>, alias: &Spanned<String>) -> Result<(), HardwareError> {
    let text = alias.get_ref();
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || " .+_-".contains(c));
    if !starts || !plain || text.len() > 64 || text.ends_with(".toml") {
        return Err(located.text_error("aliases", alias, "an alias is letters, digits, space, . + _ and -"));
    }
    Ok(())
}
