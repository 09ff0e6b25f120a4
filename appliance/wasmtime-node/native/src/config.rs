use napi_derive::napi;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Sizes of an engine. All are fixed for its life.
#[napi(object)]
#[derive(Clone)]
pub struct EngineOptions {
    /// Instances at once, each with a slot of memory. 0: no pool, for engines that only compile.
    pub slots: u32,
    /// Most bytes of one instance's memory.
    pub max_memory_bytes: f64,
    /// Most bytes of all instances' memories together; a growth beyond it is refused and said.
    pub memory_budget_bytes: f64,
    /// Most elements of one instance's table.
    pub max_table_elements: u32,
    /// Bytes of guest stack.
    pub max_stack_bytes: u32,
    /// Gas between two looks at the clock.
    pub slice_gas: u32,
    /// Threads that run guests.
    pub threads: u32,
    /// NaN results get one bit pattern; costs up to four times on floating-point loops.
    pub canonical_nan: bool,
}

/// The one configuration for compiling and running: artifacts load only where it is the same.
pub fn config_of(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(options.max_stack_bytes as usize)
        .async_stack_size(options.max_stack_bytes as usize + 1024 * 1024)
        // the same bits on every machine: nothing whose result the specification leaves open
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .cranelift_nan_canonicalization(options.canonical_nan);
    if options.slots > 0 {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(options.slots)
            .total_memories(options.slots)
            .total_tables(options.slots * TABLES)
            .total_stacks(options.slots)
            .max_memory_size(options.max_memory_bytes as usize)
            .table_elements(options.max_table_elements as usize)
            .max_tables_per_module(TABLES)
            .max_memories_per_module(1);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Tables a module may have: compilers make one, hand-written programs a few.
pub const TABLES: u32 = 4;
