//! Has Cargo build again when the web map has been built again.

fn main() -> std::io::Result<()> {
    // A folder that is not there would have Cargo build again every time.
    std::fs::create_dir_all("web/dist")?;
    println!("cargo::rerun-if-changed=web/dist");
    Ok(())
}
