//! Reading `TensorProto`: element types, and the data of small tensors.
//!
//! **Invariant:** data is decoded only on request and only up to the caller's limit; a tensor without payload (stripped or
//! stored in another file) is a tensor without data, not an error.

use ledg_graph::{ConstData, DType};

use crate::proto::{EXTERNAL, TensorProto};

/// The element type of an ONNX code.
pub(crate) fn dtype(code: i32) -> Result<DType, String> {
    Ok(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::String,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        14 => DType::Complex64,
        15 => DType::Complex128,
        16 => DType::BF16,
        17..=20 | 24 => DType::F8,
        21 => DType::U4,
        22 => DType::I4,
        0 => return Err("its element type is not given".to_owned()),
        _ => return Err(format!("element type {code} is not supported")),
    })
}

/// The ONNX code of an element type.
pub(crate) fn dtype_code(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::String => 8,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
        DType::Complex64 => 14,
        DType::Complex128 => 15,
        DType::BF16 => 16,
        DType::F8 => 17,
        DType::U4 => 21,
        DType::I4 => 22,
        // ledg-graph may grow types that ONNX has no code for; 0 is ONNX's "undefined", which readers refuse.
        _ => 0,
    }
}

impl TensorProto {
    /// Element type and shape.
    pub(crate) fn header(&self) -> Result<(DType, Vec<u64>), String> {
        let dtype = dtype(self.data_type.unwrap_or(0))?;
        Ok((dtype, shape(&self.dims)?))
    }

    /// The data, if there is any and it has at most `limit` elements.
    pub(crate) fn data(&self, limit: u64) -> Result<Option<ConstData>, String> {
        let (dtype, shape) = self.header()?;
        let count = shape
            .iter()
            .try_fold(1u64, |n, &d| n.checked_mul(d))
            .ok_or_else(|| format!("its shape {shape:?} has more elements than can be counted"))?;
        if count > limit || self.data_location == Some(EXTERNAL) {
            return Ok(None);
        }
        let data = self.decode(dtype, count as usize)?;
        match data {
            Some(data) if data.len() as u64 != count => {
                Err(format!("its shape {shape:?} has {count} element(s), its data {}", data.len()))
            }
            data => Ok(data),
        }
    }

    fn decode(&self, dtype: DType, count: usize) -> Result<Option<ConstData>, String> {
        if let Some(raw) = self.raw_data.as_deref().filter(|raw| !raw.is_empty() || count == 0) {
            return decode_raw(dtype, raw, count);
        }
        let ints = |v: Vec<i64>| Some(ConstData::Ints(v));
        let floats = |v: Vec<f64>| Some(ConstData::Floats(v));
        Ok(match dtype {
            DType::F32 if !self.float_data.is_empty() => {
                floats(fixed(&self.float_data, |b| f64::from(f32::from_le_bytes(b)))?)
            }
            DType::F64 if !self.double_data.is_empty() => floats(fixed(&self.double_data, f64::from_le_bytes)?),
            DType::I64 if !self.int64_data.is_empty() => ints(varints(&self.int64_data)?),
            DType::U32 | DType::U64 if !self.uint64_data.is_empty() => ints(varints(&self.uint64_data)?),
            DType::F16 | DType::BF16 if !self.int32_data.is_empty() => {
                let bits = varints(&self.int32_data)?;
                floats(bits.into_iter().map(|b| half(dtype, b as u16)).collect())
            }
            // Varints carry negative numbers sign-extended to 64 bits.
            DType::I32 | DType::I16 | DType::I8 | DType::U16 | DType::U8 | DType::Bool
                if !self.int32_data.is_empty() =>
            {
                ints(varints(&self.int32_data)?)
            }
            _ if count == 0 => {
                if dtype.is_float() {
                    floats(Vec::new())
                } else {
                    ints(Vec::new())
                }
            }
            _ => None,
        })
    }
}

/// Dimensions as sizes.
pub(crate) fn shape(dims: &[i64]) -> Result<Vec<u64>, String> {
    dims.iter().map(|&d| u64::try_from(d).map_err(|_| format!("its shape {dims:?} has a negative dimension"))).collect()
}

fn decode_raw(dtype: DType, raw: &[u8], count: usize) -> Result<Option<ConstData>, String> {
    // Types narrower than a byte, strings and complex numbers never take part in shapes.
    let floats = |v: Vec<f64>| Ok(Some(ConstData::Floats(v)));
    let ints = |v: Vec<i64>| Ok(Some(ConstData::Ints(v)));
    if u64::from(dtype.bits()) * count as u64 / 8 != raw.len() as u64 && dtype.bits() >= 8 {
        return Err(format!(
            "{count} element(s) of {dtype} take {} bytes, its data has {}",
            dtype.bits() as usize * count / 8,
            raw.len()
        ));
    }
    match dtype {
        DType::F32 => floats(fixed(raw, |b| f64::from(f32::from_le_bytes(b)))?),
        DType::F64 => floats(fixed(raw, f64::from_le_bytes)?),
        DType::F16 | DType::BF16 => floats(fixed(raw, |b| half(dtype, u16::from_le_bytes(b)))?),
        DType::I64 => ints(fixed(raw, i64::from_le_bytes)?),
        DType::I32 => ints(fixed(raw, |b| i64::from(i32::from_le_bytes(b)))?),
        DType::I16 => ints(fixed(raw, |b| i64::from(i16::from_le_bytes(b)))?),
        DType::I8 => ints(fixed(raw, |b| i64::from(i8::from_le_bytes(b)))?),
        DType::U64 => ints(fixed(raw, |b| u64::from_le_bytes(b) as i64)?),
        DType::U32 => ints(fixed(raw, |b| i64::from(u32::from_le_bytes(b)))?),
        DType::U16 => ints(fixed(raw, |b| i64::from(u16::from_le_bytes(b)))?),
        DType::U8 | DType::Bool => ints(fixed(raw, |b: [u8; 1]| i64::from(b[0]))?),
        _ => Ok(None),
    }
}

fn fixed<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(format!("its data breaks off: {} bytes are no multiple of {N}", bytes.len()));
    }
    Ok(chunks.iter().map(|&c| read(c)).collect())
}

fn varints(mut bytes: &[u8]) -> Result<Vec<i64>, String> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let v = prost::encoding::decode_varint(&mut bytes).map_err(|e| format!("its data breaks off: {e}"))?;
        values.push(v as i64);
    }
    Ok(values)
}

fn half(dtype: DType, bits: u16) -> f64 {
    if dtype == DType::BF16 {
        return f64::from(f32::from_bits(u32::from(bits) << 16));
    }
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + mantissa) * 2f64.powi(e - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        assert_eq!(half(DType::F16, 0x3c00), 1.0);
        assert_eq!(half(DType::F16, 0xc000), -2.0);
        assert_eq!(half(DType::F16, 0x0001), 2f64.powi(-24));
        assert_eq!(half(DType::F16, 0xfc00), f64::NEG_INFINITY);
        assert_eq!(half(DType::BF16, 0x3fc0), 1.5);
    }

    #[test]
    fn every_code_of_a_dtype_reads_back() {
        for code in (1..=17).chain([21, 22]) {
            assert_eq!(dtype_code(dtype(code).unwrap()), code);
        }
        assert!(dtype(0).is_err() && dtype(99).is_err());
    }
}
