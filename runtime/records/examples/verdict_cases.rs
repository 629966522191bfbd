//! Writes the cases of `tests/verdicts.rs` for `tests/golden/Verdicts.java`: name and batch, each with
//! its length before it.
//!
//! `cargo run -p tidemill-records --example verdict_cases -- FILE`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test support"
)]

#[path = "../tests/cases/mod.rs"]
mod cases;

use std::io::Write;

fn main() {
    let path = std::env::args().nth(1).expect("which file?");
    let mut file = std::fs::File::create(path).unwrap();
    for case in cases::all() {
        for part in [case.name.as_bytes(), &case.bytes] {
            file.write_all(&(part.len() as u32).to_be_bytes()).unwrap();
            file.write_all(part).unwrap();
        }
    }
}
