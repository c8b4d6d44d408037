//! Rules as data: operator sentences and formulas, fusions, hardware descriptors.
