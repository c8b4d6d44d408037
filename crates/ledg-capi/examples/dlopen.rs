//! Opens the library at run time, as a compiler does that works without it too: dlopen LIBRARY MODEL.onnx DEVICE

use std::error::Error;
use std::ptr::{null, null_mut};

use ledg::{
    ledg_batch, ledg_columns, ledg_error, ledg_graph, ledg_graph_opts, ledg_hw, ledg_model, ledg_predict_opts,
    ledg_registry, ledg_status, ledg_str,
};
use libloading::{Library, Symbol};

type Err = *mut *mut ledg_error;

fn main() -> Result<(), Box<dyn Error>> {
    let [library, model_path, device] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    // SAFETY: libledg has no initialisers; the types below are those of its header, and every handle is used as it says.
    unsafe {
        let lib = Library::new(library)?;
        let version: Symbol<extern "C" fn() -> u32> = lib.get(b"ledg_abi_version")?;
        println!("ABI {}.{}", version() >> 16, version() & 0xffff);
        let message: Symbol<unsafe extern "C" fn(*const ledg_error) -> ledg_str> = lib.get(b"ledg_error_message")?;
        let text = |s: ledg_str| String::from_utf8_lossy(std::slice::from_raw_parts(s.data.cast(), s.len)).into_owned();
        let mut error = null_mut();
        macro_rules! call {
            ($name:ident: $type:ty, $($argument:expr),*) => {{
                let function: Symbol<$type> = lib.get(stringify!($name).as_bytes())?;
                if function($($argument,)* &mut error) != 0 {
                    return Err(text(message(error)).into());
                }
            }};
        }
        let str = |s: &str| ledg_str { data: s.as_ptr().cast(), len: s.len() };
        let (mut model, mut registry, mut graph, mut hw) = (null_mut(), null_mut(), null_mut(), null_mut());
        call!(ledg_model_default: unsafe extern "C" fn(*mut *mut ledg_model, Err) -> ledg_status, &mut model);
        call!(ledg_registry_new: unsafe extern "C" fn(*mut *mut ledg_registry, Err) -> ledg_status, &mut registry);
        call!(ledg_registry_get: unsafe extern "C" fn(*const ledg_registry, ledg_str, *mut *mut ledg_hw, Err) -> ledg_status,
            registry, str(&device), &mut hw);
        call!(ledg_graph_from_onnx_file:
            unsafe extern "C" fn(ledg_str, *const ledg_graph_opts, *mut *mut ledg_graph, Err) -> ledg_status,
            str(&model_path), null(), &mut graph);
        let (graphs, platforms) = ([graph.cast_const()], [hw.cast_const()]);
        let batch = ledg_batch {
            struct_size: size_of::<ledg_batch>(),
            n: 1,
            graphs: graphs.as_ptr(),
            n_graphs: 1,
            hw: platforms.as_ptr(),
            n_hw: 1,
            batch_sizes: null(),
            n_batch_sizes: 0,
        };
        let (mut latency_s, mut status) = (f64::NAN, 0);
        let columns = ledg_columns {
            struct_size: size_of::<ledg_columns>(),
            len: 1,
            latency_s: &mut latency_s,
            lo_s: null_mut(),
            hi_s: null_mut(),
            known: null_mut(),
            spread: null_mut(),
            evidence: null_mut(),
            status: &mut status,
        };
        call!(ledg_predict: unsafe extern "C" fn(
                *const ledg_model, *const ledg_batch, *const ledg_predict_opts, *const ledg_columns, Err) -> ledg_status,
            model, &batch, null(), &columns);
        let name: Symbol<unsafe extern "C" fn(*const ledg_hw) -> ledg_str> = lib.get(b"ledg_hw_name")?;
        let graph_name: Symbol<unsafe extern "C" fn(*const ledg_graph) -> ledg_str> = lib.get(b"ledg_graph_name")?;
        println!("{} on {}: {latency_s:.6} s, status {status}", text(graph_name(graph)), text(name(hw)));
        let free: Symbol<unsafe extern "C" fn(*mut ledg_graph)> = lib.get(b"ledg_graph_free")?;
        free(graph);
        let free: Symbol<unsafe extern "C" fn(*mut ledg_hw)> = lib.get(b"ledg_hw_free")?;
        free(hw);
        let free: Symbol<unsafe extern "C" fn(*mut ledg_registry)> = lib.get(b"ledg_registry_free")?;
        free(registry);
        let free: Symbol<unsafe extern "C" fn(*mut ledg_model)> = lib.get(b"ledg_model_free")?;
        free(model);
    }
    Ok(())
}
