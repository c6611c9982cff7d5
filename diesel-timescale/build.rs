//! Embeds the migrations anew when one is added or removed.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
