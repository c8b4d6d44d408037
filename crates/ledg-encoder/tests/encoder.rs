//! The encoder from outside: agreement with the reference, one vector a sentence from wherever it comes, refusals.

use std::sync::Arc;

use ledg_encoder::{Encoder, EncoderError, MAX_SENTENCE_BYTES, SentenceTable};

/// f32 vectors from `tests/reference.py`.
#[derive(serde::Deserialize)]
struct Reference {
    sentence: String,
    vector: Vec<f32>,
}

fn references() -> Vec<Reference> {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

fn pretrained() -> Encoder {
    Encoder::pretrained().unwrap()
}

fn one(encoder: &Encoder, sentence: &str) -> Arc<[f32]> {
    encoder.embed(&[sentence]).unwrap().remove(0)
}

fn table(encoder: &Encoder, sentences: &[&str]) -> SentenceTable {
    let sentences: Vec<String> = sentences.iter().map(|&s| s.to_owned()).collect();
    SentenceTable::build(encoder, &sentences).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn error(encoder: &Encoder, sentences: &[&str]) -> String {
    encoder.embed(sentences).unwrap_err().to_string()
}

#[test]
fn agrees_with_the_f32_reference() {
    let encoder = pretrained();
    for Reference { sentence, vector } in references() {
        let ours = one(&encoder, &sentence);
        // Measured: cosine 0.9998, worst difference 0.022 (values reach 1.2): the price of eight bits a weight.
        let similarity = cosine(&ours, &vector);
        let worst = ours.iter().zip(&vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{sentence}: cosine {similarity:.5}, worst difference {worst:.4}");
        assert!(similarity >= 0.9995, "{sentence}: cosine {similarity}");
        assert!(worst < 0.03, "{sentence}: differs by {worst}");
        assert!(ours.iter().all(|&v| half::f16::from_f32(v).to_f32() == v), "{sentence}: not exact in f16");
    }
}

#[test]
fn a_batch_has_the_bits_of_its_sentences_alone() {
    // Token counts from 3 to 40, several sentences of each, more than one pass's worth, one sentence twice.
    let mut sentences: Vec<String> =
        (0..72).map(|i| format!("conv{} 3", " x".repeat(i % 36 + 1)) + &" 7".repeat(i / 36)).collect();
    sentences.extend((0..140).map(|i| format!("Conv {i}")));
    sentences.push("Conv 3".into());
    let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let together = pretrained().embed(&texts).unwrap();
    let alone = pretrained().with_memo_limit(0);
    for (sentence, vector) in sentences.iter().zip(&together) {
        assert_eq!(one(&alone, sentence), *vector, "{sentence}");
    }
}

#[test]
fn the_memo_answers_from_the_second_time_on() {
    let encoder = pretrained();
    let first = encoder.embed(&["Act Relu", "Norm LayerNorm", "Act Relu"]).unwrap();
    assert_eq!(first[0], first[2]);
    let stats = encoder.stats();
    assert_eq!((stats.model_runs, stats.memo_hits, stats.table_hits), (2, 1, 0));

    let second = encoder.embed(&["Norm LayerNorm", "Act Relu"]).unwrap();
    assert!(Arc::ptr_eq(&second[1], &first[0]) && Arc::ptr_eq(&second[0], &first[1]));
    assert_eq!((encoder.stats().model_runs, encoder.stats().memo_hits), (2, 3));

    let forgetful = pretrained().with_memo_limit(0);
    assert_eq!(one(&forgetful, "Act Relu"), one(&forgetful, "Act Relu"));
    assert_eq!(forgetful.stats().model_runs, 2);
    assert!(encoder.embed(&[]).unwrap().is_empty());
}

#[test]
fn a_table_gives_the_same_bits_and_spares_the_model() {
    let encoder = pretrained();
    let sentences = ["Act Relu", "ParamL \"Conv\"\n3", "Nv GPU FP32 8.1 Turing 70W", "Act Relu"];
    let table = table(&encoder, &sentences);
    assert_eq!(table.sentences().collect::<Vec<_>>(), sentences[..3]);
    let bytes = table.to_bytes().unwrap();
    assert_eq!(bytes, table.to_bytes().unwrap());
    let read = SentenceTable::from_bytes(&bytes).unwrap();
    assert_eq!(read, table);

    let quick = pretrained().with_table(read).unwrap();
    assert_eq!(quick.embed(&sentences).unwrap(), encoder.embed(&sentences).unwrap());
    assert_eq!((quick.stats().table_hits, quick.stats().model_runs), (4, 0));
    assert!(!quick.is_loaded());
    one(&quick, "ParamL Gemm");
    assert!(quick.is_loaded());
}

#[test]
fn a_table_of_another_encoder_is_refused() {
    let (encoder, twin) = (pretrained(), Encoder::random(1));
    let table = table(&twin, &["Act Relu"]);
    let message = encoder.with_table(table).unwrap_err().to_string();
    assert!(message.contains("another encoder") && message.contains(&twin.fingerprint()), "{message}");
}

#[test]
fn damaged_tables_are_refused() {
    let bytes = table(&pretrained(), &["Act Relu"]).to_bytes().unwrap();
    let swapped = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        SentenceTable::from_bytes(&bytes).unwrap_err().to_string()
    };
    assert!(swapped("ledg_sentence_table", "ledg_sentence_fable").contains("missing from the metadata"));
    assert!(swapped("version\\\":1", "version\\\":9").contains("version 9, this build reads 1"));
    assert!(swapped("n_sentences\\\":1", "n_sentences\\\":2").contains("sentences: 1 in place of 2"));
    assert!(swapped("dim\\\":384", "dim\\\":383").contains("vectors: F16 [1, 384] in place of F16 [1, 383]"));
    let shorter = forged_of_dim_2(&pretrained().fingerprint());
    let message = pretrained().with_table(SentenceTable::from_bytes(&shorter).unwrap()).unwrap_err().to_string();
    assert!(message.ends_with("vectors: of length 2, the encoder's are of 384"), "{message}");
    assert!(swapped("Act Relu", "Act \"elu").contains("sentences: "));

    for cut in [0, 7, 40, bytes.len() / 2, bytes.len() - 1] {
        SentenceTable::from_bytes(&bytes[..cut]).unwrap_err();
    }
    let mut nan = bytes.clone();
    let start = nan.len() - 768 - "[\"Act Relu\"]".len();
    nan[start..start + 2].copy_from_slice(&half::f16::NAN.to_le_bytes());
    let message = SentenceTable::from_bytes(&nan).unwrap_err().to_string();
    assert!(message.contains("not finite at `Act Relu`"), "{message}");
}

/// A well-formed table of one sentence, with vectors of two values.
fn forged_of_dim_2(fingerprint: &str) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let header = format!(r#"{{"version":1,"fingerprint":"{fingerprint}","n_sentences":1,"dim":2}}"#);
    let tensors = [
        ("sentences", TensorView::new(Dtype::U8, vec![5], b"[\"a\"]").unwrap()),
        ("vectors", TensorView::new(Dtype::F16, vec![1, 2], &[0; 4]).unwrap()),
    ];
    let metadata = [("ledg_sentence_table".to_owned(), header)].into();
    safetensors::serialize(tensors, Some(metadata)).unwrap()
}

#[test]
fn threads_agree() {
    let (encoder, sentences) = (pretrained(), ["Act Relu", "ParamL Conv 3", "ParamL Conv 5", "Norm LayerNorm"]);
    let expected = pretrained().embed(&sentences).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(encoder.embed(&sentences).unwrap(), expected));
        }
    });
}

#[test]
fn the_random_twin_is_another_encoder_and_always_the_same() {
    let (a, b, other) = (Encoder::random(1), Encoder::random(1), Encoder::random(2));
    let s = "ParamL Conv 3";
    assert_eq!(one(&a, s), one(&b, s));
    assert_ne!(one(&a, s), one(&other, s));
    assert_ne!(one(&a, s), one(&a, "Act Relu"));
    assert!(cosine(&one(&a, s), &one(&pretrained(), s)).abs() < 0.3);
    assert_eq!(a.fingerprint(), b.fingerprint());
    assert_ne!(a.fingerprint(), other.fingerprint());
    assert_ne!(a.fingerprint(), pretrained().fingerprint());
    assert_eq!(a.fingerprint().len(), 64);
    assert_eq!(one(&a, s).len(), a.dim());
}

#[test]
fn bad_sentences_are_named() {
    let encoder = pretrained();
    for blank in ["", " \t\n", "\u{0}\u{7}"] {
        let message = error(&encoder, &["Act Relu", blank]);
        assert!(message.starts_with("sentence 1 of 2 has no word in it"), "{message}");
    }
    let long = "Conv ".repeat(MAX_SENTENCE_BYTES / 5 + 1);
    assert!(error(&encoder, &["Act Relu", &long]).contains("`Conv Conv Conv"));
    assert!(error(&encoder, &[&long]).ends_with("is 4100 bytes long; the limit is 4096"));
    let message = error(&encoder, &[&"7 ".repeat(511)]);
    assert!(message.ends_with("is 513 tokens long; the limit is 512"), "{message}");
    assert_eq!(one(&encoder, &"7 ".repeat(510)).len(), 384);

    let multibyte = "é".repeat(MAX_SENTENCE_BYTES);
    assert!(matches!(encoder.embed(&[&multibyte]), Err(EncoderError::TooLong { length: 8192, unit: "bytes", .. })));
}

#[test]
fn encoders_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Encoder>();
    check::<SentenceTable>();
}
