//! Hardware as data: devices from TOML data sheets, runtimes, and the platforms they make together.
//!
//! A *device* is a chip with its public figures, a *runtime* is how graphs run on it (framework, version, compiler,
//! precision, layout), a *platform* is one of each. A platform gives a sentence for the language embedding and a struct
//! of plain numbers for the physical prior:
//!
//! ```
//! use ledg_template::hardware::HardwareRegistry;
//!
//! let registry = HardwareRegistry::builtin();
//! let t4 = registry.resolve("t4")?;
//! assert_eq!(t4.sentence(), "Nv GPU FP32 8.1 Turing 70W");
//! let compiled = registry.resolve("rtx4090:amp/nhwc/dynamo/pt2.4.0")?;
//! assert_eq!(compiled.runtime_sentence().as_deref(), Some("PyTorch 2.4 compiled NHWC mixed FP16"));
//! assert_eq!(compiled.numbers().peak_matmul_flops, 165.2e12);
//! # Ok::<(), ledg_template::hardware::HardwareError>(())
//! ```
//!
//! The files live in `configs/hardware` and are compiled in; its README is the authoring guide. This is the one part of
//! the crate that may read files: a vendor's, when a caller names their path.
//!
//! **Invariant:** no figure without a public source, no figure that is not a finite number above zero, and no figure
//! invented for one that is missing. A name never changes its meaning silently: a clash is an error.

mod builtin;
mod catalogue;
mod check;
mod device;
mod device_file;
mod doubts;
mod error;
mod platform;
mod precision;
mod registry;
mod runtime;
mod wording;

pub use check::CheckedHardware;
pub use device::{Device, Kind, Peaks, Source};
pub use doubts::Doubt;
pub use error::HardwareError;
pub use platform::{Platform, PlatformNumbers};
pub use precision::{Layout, Precision};
pub use registry::HardwareRegistry;
pub use runtime::{Framework, Runtime};

#[cfg(test)]
mod test_errors;
#[cfg(test)]
mod test_registry;
