//! The soname carries the ABI's major number, not the crate's version.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/version.rs");
    let source = std::fs::read_to_string("src/version.rs").expect("src/version.rs is part of the crate");
    let major = source.split("LEDG_ABI_MAJOR: u32 = ").nth(1).and_then(|rest| rest.split(';').next());
    let major = major.expect("src/version.rs declares LEDG_ABI_MAJOR");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libledg.so.{major}");
        // Calls that nothing outside resolves bind inside; nothing of the library is replaced by a namesake of the host.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
    }
}
