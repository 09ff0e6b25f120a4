//! Links the running system's libpam, so that no development package is needed. What the module exports is the list of its
//! `no_mangle` functions: rustc writes the version script of a cdylib itself, and a test compares it.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-l:libpam.so.0");
    println!("cargo:rustc-link-arg=-Wl,-z,relro,-z,now,-z,defs");
    // the thread that waits for *Not me* may be in its last call when libpam closes the module: the code stays
    println!("cargo:rustc-link-arg=-Wl,-z,nodelete");
}
