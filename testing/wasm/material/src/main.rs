//! wasm-material: what the tests of WASM hosting are fed with, made anew from crates.
//!   wasm-material spec DIR             the official spec tests, as JSON beside binary modules
//!   wasm-material smith DIR COUNT SEED random modules, one for each seed from SEED on
#![deny(warnings)]
mod smith;
mod spec;

use std::path::PathBuf;
use std::process::ExitCode;

pub type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["spec", folder] => spec::write(&PathBuf::from(folder)),
        ["smith", folder, count, seed] => {
            numbers(count, seed).and_then(|(count, seed)| smith::write(&PathBuf::from(folder), count, seed))
        }
        _ => Err("usage: wasm-material spec DIR | wasm-material smith DIR COUNT SEED".into()),
    };
    match done {
        Ok(count) => {
            println!("{count}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wasm-material: {error}");
            ExitCode::FAILURE
        }
    }
}

fn numbers(count: &str, seed: &str) -> Result<(u64, u64), Failure> {
    Ok((count.parse()?, seed.parse()?))
}
