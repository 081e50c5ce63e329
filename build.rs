//! Tells Cargo to build again when the web map has been built again.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
