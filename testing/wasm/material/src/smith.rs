use std::fs;
use std::path::Path;

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use crate::Failure;

/// One module in this many may use what the service refuses: imports, wide memories, garbage collection, bodies of noise.
const WILD: u64 = 8;

/// Writes `SEED.wasm` for each seed. The bytes depend on the seed and on the version of the generator alone.
pub fn write(folder: &Path, count: u64, seed: u64) -> Result<u64, Failure> {
    for seed in seed..seed + count {
        let noise = noise(seed, 20_000);
        let config = if seed % WILD == 0 { wild(seed) } else { tame() };
        let module = Module::new(config, &mut Unstructured::new(&noise))?;
        fs::write(folder.join(format!("{seed}.wasm")), module.to_bytes())?;
    }
    Ok(count)
}

/// What the service takes: no imports, one memory, no proposal that is off. Endless loops and traps are wanted. With reference
/// types the generator would use `externref` nearly everywhere, which the engine has not.
fn tame() -> Config {
    Config {
        max_imports: 0,
        min_types: 2,
        min_funcs: 2,
        min_exports: 2,
        export_everything: true,
        max_instructions: 400,
        max_memory32_bytes: 128 << 20,
        reference_types_enabled: false,
        max_table_elements: 20_000,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        ..Config::default()
    }
}

fn wild(seed: u64) -> Config {
    Config {
        allow_invalid_funcs: seed % (2 * WILD) == 0,
        max_memories: 3,
        custom_page_sizes_enabled: true,
        generate_custom_sections: true,
        ..Config::default()
    }
}

/// SplitMix64: https://prng.di.unimi.it/splitmix64.c
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(length).collect()
}
