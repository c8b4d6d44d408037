//! In what ways an argument can be wrong, by its type.

use std::ffi::{c_char, c_void};
use std::ptr::null;

use ledg::*;

/// How it is wrong, what a call may say to that, and the argument.
pub type Case<T> = (&'static str, &'static [ledg_status], T);

/// An argument that a call can take, given right.
pub trait Wrong: Copy {
    fn wrong(self) -> Vec<Case<Self>>;
}

const NULL: &[ledg_status] = &[LEDG_E_NULL];
const INVALID: &[ledg_status] = &[LEDG_E_INVALID];
/// Too many of something, or another number than there must be.
const COUNT: &[ledg_status] = &[LEDG_E_LIMIT, LEDG_E_INVALID];
/// Numbers that nothing can have: seconds, batch sizes.
const NONSENSE: &[ledg_status] = &[LEDG_E_RECORDS, LEDG_E_GRAPH, LEDG_E_INVALID];
/// More than anything has, and still a length that a slice may have.
const HUGE: usize = 1 << 40;

static NOT_UTF8: [u8; 3] = [b'a', 0xff, 0xfe];

/// Texts that cannot be used.
fn texts() -> Vec<Case<ledg_str>> {
    let data: *const c_char = NOT_UTF8.as_ptr().cast();
    vec![
        ("NULL", NULL, ledg_str { data: null(), len: 3 }),
        ("not UTF-8", &[LEDG_E_UTF8], ledg_str { data, len: 3 }),
        ("huge", &[LEDG_E_LIMIT], ledg_str { data, len: HUGE }),
        ("endless", &[LEDG_E_LIMIT], ledg_str { data, len: usize::MAX }),
    ]
}

impl Wrong for ledg_str {
    fn wrong(self) -> Vec<Case<Self>> {
        texts()
    }
}

impl Wrong for usize {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("huge", COUNT, HUGE), ("endless", COUNT, usize::MAX)]
    }
}

/// Flags and numbers of values.
impl Wrong for u32 {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("meaningless", INVALID, u32::MAX)]
    }
}

/// Element types.
impl Wrong for i32 {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("meaningless", INVALID, 999), ("negative", INVALID, i32::MIN)]
    }
}

/// Batch sizes.
impl Wrong for u64 {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("zero", NONSENSE, 0)]
    }
}

macro_rules! pointers {
    ($($pointer:ty),* $(,)?) => {$(
        impl Wrong for $pointer {
            fn wrong(self) -> Vec<Case<Self>> {
                vec![("NULL", NULL, std::ptr::null::<()>() as $pointer), ("misaligned", INVALID, self.wrapping_byte_add(1))]
            }
        }
    )*};
}

pointers! {
    *const ledg_model, *const ledg_graph, *const ledg_hw, *const ledg_registry, *mut ledg_registry, *const ledg_records,
    *mut ledg_records, *const ledg_builder, *mut ledg_builder, *mut ledg_session, *const ledg_session,
    *const ledg_node_costs, *const ledg_schedule_model, *const ledg_candidate, *const i64, *const u64, *mut u32, *mut i32,
    *mut f64, *mut usize, *mut *mut c_void, *mut *mut ledg_model, *mut *mut ledg_graph, *mut *mut ledg_hw,
    *mut *mut ledg_registry, *mut *mut ledg_records, *mut *mut ledg_builder, *mut *mut ledg_session,
    *mut *mut ledg_node_costs, *mut *mut ledg_schedule_model, *mut *mut ledg_cancel, *mut *mut ledg_string,
}

/// Bytes, which lie anywhere.
impl Wrong for *const u8 {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("NULL", NULL, null())]
    }
}

/// As above.
impl Wrong for *mut u8 {
    fn wrong(self) -> Vec<Case<Self>> {
        vec![("NULL", NULL, std::ptr::null_mut())]
    }
}

/// Elements: two of them.
impl Wrong for *const f64 {
    fn wrong(self) -> Vec<Case<Self>> {
        static NAN: [f64; 2] = [1.0, f64::NAN];
        static INFINITE: [f64; 2] = [f64::INFINITY, 1.0];
        static NEGATIVE: [f64; 2] = [1.0, -1.0];
        vec![
            ("NULL", NULL, null()),
            ("misaligned", INVALID, self.wrapping_byte_add(1)),
            ("NaN", NONSENSE, NAN.as_ptr()),
            ("infinite", NONSENSE, INFINITE.as_ptr()),
            ("negative", NONSENSE, NEGATIVE.as_ptr()),
        ]
    }
}

/// A list of texts, of which the first is wrong.
impl Wrong for *const ledg_str {
    fn wrong(self) -> Vec<Case<Self>> {
        let mut cases = vec![("NULL", NULL, null()), ("misaligned", INVALID, self.wrapping_byte_add(1))];
        // Leaked, as the cases borrow them: some bytes of a test.
        cases.extend(texts().into_iter().map(|(how, codes, text)| (how, codes, &raw const *Box::leak(Box::new(text)))));
        cases
    }
}

/// A list of platforms, of which the first is wrong.
impl Wrong for *const *const ledg_hw {
    fn wrong(self) -> Vec<Case<Self>> {
        static NONE: [usize; 1] = [0];
        vec![
            ("NULL", NULL, null()),
            ("misaligned", INVALID, self.wrapping_byte_add(1)),
            ("of NULL", NULL, (&raw const NONE).cast()),
        ]
    }
}

macro_rules! growing {
    ($($pointer:ty: $name:ident),* $(,)?) => {$(
        impl Wrong for $pointer {
            fn wrong(self) -> Vec<Case<Self>> {
                const SIZE: &[ledg_status] = &[LEDG_E_STRUCT_SIZE];
                let whole = size_of::<$name>();
                // A copy with a tail of two words, leaked as the cases borrow it.
                let with = |size: usize, tail: usize| {
                    let words = Box::leak(vec![0usize; whole / 8 + 2].into_boxed_slice());
                    // SAFETY: the struct is there, and the words have room for it.
                    unsafe { std::ptr::copy_nonoverlapping(self.cast::<u8>(), words.as_mut_ptr().cast(), whole) };
                    words[0] = size;
                    words[whole / 8 + 1] = tail;
                    words.as_mut_ptr().cast::<$name>() as $pointer
                };
                vec![
                    ("NULL", NULL, std::ptr::null::<()>() as $pointer),
                    ("misaligned", INVALID, self.wrapping_byte_add(1)),
                    ("of size 0", SIZE, with(0, 0)),
                    ("too small", SIZE, with(whole - 1, 0)),
                    ("huge", SIZE, with(HUGE, 0)),
                    ("endless", SIZE, with(usize::MAX, 0)),
                    ("newer", SIZE, with(whole + 16, 1)),
                ]
            }
        }
    )*};
}

growing! {
    *const ledg_graph_opts: ledg_graph_opts, *const ledg_builder_opts: ledg_builder_opts, *const ledg_op: ledg_op,
    *const ledg_batch: ledg_batch, *const ledg_predict_opts: ledg_predict_opts, *const ledg_columns: ledg_columns,
    *const ledg_node_columns: ledg_node_columns, *mut ledg_model_info: ledg_model_info,
}
