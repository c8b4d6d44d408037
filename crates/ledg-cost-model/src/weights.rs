//! What every model's file is: safetensors with a JSON header, the members' weights and a table of sentences.
//!
//! **Invariant:** a file of which one bit has changed is refused: one tensor is the SHA-256 of all that is read from it.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Tensor};
use ledg_encoder::SentenceTable;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};

use crate::bundle::Member;
use crate::error::{CostModelError, Result};

/// Tensor that holds the table of sentences embedded ahead of time.
const SENTENCES: &str = "sentences";

/// Tensor that holds the content's hash. Not a second key of the metadata: their order in the file is chance.
const HASH: &str = "sha256";

/// The file of a model; `header` is JSON and stands under the metadata key `key`.
pub(crate) fn to_bytes(key: &str, header: String, members: &[Member], table: &SentenceTable) -> Result<Vec<u8>> {
    let damaged = |why: String| CostModelError::Bundle { origin: "(being written)".into(), why };
    let mut data: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (k, member) in members.iter().enumerate() {
        for (name, tensor) in member {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            data.insert(format!("member.{k}.{name}"), (Dtype::F32, tensor.dims().to_vec(), bytes));
        }
    }
    let table = table.to_bytes()?;
    data.insert(SENTENCES.into(), (Dtype::U8, vec![table.len()], table));
    let mut views: BTreeMap<&str, TensorView> = data
        .iter()
        .map(|(name, (dtype, shape, bytes))| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| damaged(e.to_string()))?;
    let hash = content_hash(&header, &views);
    let hash = TensorView::new(Dtype::U8, vec![hash.len()], &hash).map_err(|e| damaged(e.to_string()))?;
    views.insert(HASH, hash);
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), header)]))).map_err(|e| damaged(e.to_string()))
}

/// SHA-256 of the header and of the tensors in the order of their names.
fn content_hash(header: &str, tensors: &BTreeMap<&str, TensorView>) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Lengths keep parts apart.
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(header.as_bytes());
    for (name, view) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    hash.finalize().into()
}

/// The header of a file as JSON; `origin` names the file in errors. Whether the file is intact, [`from_bytes`] finds out: of a file of
/// another version it is better said which.
pub(crate) fn header(bytes: &[u8], origin: &str, key: &str) -> Result<String> {
    let damaged = |why: String| CostModelError::Bundle { origin: origin.into(), why };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(key)).cloned();
    json.ok_or_else(|| damaged(format!("it has no `{key}` header")))
}

/// The members, as many as the header says, and the table of sentences, of a file with that header.
pub(crate) fn from_bytes(
    bytes: &[u8],
    origin: &str,
    header: &str,
    n_members: usize,
) -> Result<(Vec<Member>, SentenceTable)> {
    let damaged = |why: String| CostModelError::Bundle { origin: origin.into(), why };
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut tensors: BTreeMap<&str, TensorView> = file.iter().collect();
    let hash = tensors.remove(HASH).ok_or_else(|| damaged(format!("tensor `{HASH}` is missing")))?;
    if hash.data() != content_hash(header, &tensors) {
        return Err(damaged(format!("its content is not what its `{HASH}` was made of")));
    }
    let mut members = vec![Member::new(); n_members];
    let mut sentences = None;
    for (name, view) in tensors {
        if name == SENTENCES {
            sentences = Some(SentenceTable::from_bytes(view.data())?);
            continue;
        }
        let place = name.strip_prefix("member.").and_then(|rest| rest.split_once('.'));
        let member = place.and_then(|(k, weight)| Some((members.get_mut(k.parse::<usize>().ok()?)?, weight)));
        let (member, weight) = member.ok_or_else(|| damaged(format!("it holds an unexpected tensor `{name}`")))?;
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("tensor `{name}` is {:?}, not F32", view.dtype())));
        }
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|x| !x.is_finite()) {
            return Err(damaged(format!("tensor `{name}` holds a number that is not finite")));
        }
        member.insert(weight.to_owned(), Tensor::from_vec(values, view.shape(), &Device::Cpu)?);
    }
    let sentences = sentences.ok_or_else(|| damaged(format!("tensor `{SENTENCES}` is missing")))?;
    Ok((members, sentences))
}
