use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use napi::JsDeferred;
use napi::bindgen_prelude::{BigInt, Buffer, Env, Error, Object, Result, Status};
use napi_derive::napi;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wasmtime::{ExternType, ValType};

use crate::config::{EngineOptions, config_of};
use crate::inspect::{Inspection, inspect};
use crate::outcome::Outcome;
use crate::running::{Budget, Call, Running, value_of};
use crate::scheduler::{Scheduler, Task};

type Resolver = Box<dyn FnOnce(Env) -> Result<Outcome> + Send>;

struct Shared {
    engine: wasmtime::Engine,
    options: EngineOptions,
    scheduler: Scheduler,
    budget: Arc<Budget>,
}

/// An engine: compiles, loads, runs.
#[napi]
pub struct NativeEngine {
    shared: Arc<Shared>,
}

#[napi]
impl NativeEngine {
    #[napi(constructor)]
    pub fn new(options: EngineOptions) -> Result<Self> {
        let engine = wasmtime::Engine::new(&config_of(&options)).map_err(failed)?;
        let scheduler = Scheduler::new(options.threads);
        let budget =
            Arc::new(Budget { most: options.memory_budget_bytes as usize, held: AtomicUsize::new(0) });
        Ok(Self { shared: Arc::new(Shared { engine, options, scheduler, budget }) })
    }

    /// Changes whenever an artifact of another engine would not load here.
    #[napi(getter)]
    pub fn compatibility(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.shared.engine.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Bytes that the memories of all instances hold now.
    #[napi(getter)]
    pub fn memory_held(&self) -> f64 {
        self.shared.budget.held.load(Ordering::Relaxed) as f64
    }

    /// Machine code for a module. Blocks, and has no time limit of its own: for a process that may be killed.
    #[napi]
    pub fn compile(&self, wasm: Buffer) -> Result<Buffer> {
        let code = self.shared.engine.precompile_module(&wasm).map_err(failed)?;
        Ok(code.into())
    }

    /// A module from what `compile` gave. The bytes are copied into sealed memory first, so that what was checked is what runs.
    /// They must be ours: foreign bytes here run as machine code.
    #[napi]
    pub fn load(&self, artifact: Buffer) -> Result<NativeModule> {
        let file = sealed(&artifact)?;
        // SAFETY: the caller has checked that these bytes come from `compile`; the seals keep them as they are.
        let module =
            unsafe { wasmtime::Module::deserialize_open_file(&self.shared.engine, file) }.map_err(failed)?;
        Ok(NativeModule { module: Some(module), shared: self.shared.clone() })
    }
}

/// Ends a run at its next slice.
#[napi]
pub struct NativeCancel {
    flag: Arc<AtomicBool>,
}

#[napi]
impl NativeCancel {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { flag: Arc::new(AtomicBool::new(false)) }
    }

    #[napi]
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }
}

#[napi(object)]
pub struct ExportedFunction {
    pub name: String,
    /// `i32`, `i64`, `f32`, `f64`, or another word for what cannot be passed.
    pub params: Vec<String>,
    pub results: Vec<String>,
}

/// A call that comes first, in the same instance; its results are nobody's.
#[napi(object)]
pub struct NativeStep {
    pub function: String,
    /// Eight bytes for each argument, little-endian.
    pub arguments: Buffer,
}

#[napi(object)]
pub struct NativeCall {
    /// Made before the call itself; a trap in one of them is that of the run.
    pub before: Vec<NativeStep>,
    pub function: String,
    /// Eight bytes for each argument, little-endian.
    pub arguments: Buffer,
    pub gas_limit: BigInt,
    pub milliseconds: f64,
    pub max_memory_bytes: f64,
    pub region: bool,
}

/// A module that can run.
#[napi]
pub struct NativeModule {
    /// None once it is closed.
    module: Option<wasmtime::Module>,
    shared: Arc<Shared>,
}

#[napi]
impl NativeModule {
    #[napi]
    pub fn functions(&self) -> Vec<ExportedFunction> {
        self.module
            .iter()
            .flat_map(wasmtime::Module::exports)
            .filter_map(|export| match export.ty() {
                ExternType::Func(kind) => Some(ExportedFunction {
                    name: export.name().into(),
                    params: kind.params().map(|kind| word_of(&kind)).collect(),
                    results: kind.results().map(|kind| word_of(&kind)).collect(),
                }),
                _ => None,
            })
            .collect()
    }

    /// Gives up its machine code and file descriptor when the last run in it has ended; waiting for a collector may take forever.
    #[napi]
    pub fn close(&mut self) {
        self.module = None;
    }

    /// Runs a function in a fresh instance. The promise is always resolved, whatever the guest does.
    #[napi(ts_return_type = "Promise<Outcome>")]
    pub fn run<'env>(&self, env: &'env Env, call: NativeCall, cancel: &NativeCancel) -> Result<Object<'env>> {
        let options = &self.shared.options;
        let call = Call {
            before: call
                .before
                .into_iter()
                .map(|step| Ok((self.arguments_of(&step.function, &step.arguments)?, step.function)))
                .collect::<Result<_>>()?,
            arguments: self.arguments_of(&call.function, &call.arguments)?,
            function: call.function,
            gas_limit: call.gas_limit.get_u64().1,
            slice_gas: u64::from(options.slice_gas.max(1)),
            deadline: Instant::now() + Duration::from_secs_f64(call.milliseconds.max(0.0) / 1000.0),
            max_memory_bytes: call.max_memory_bytes.min(options.max_memory_bytes) as usize,
            max_table_elements: options.max_table_elements as usize,
            cancelled: cancel.flag.clone(),
            region: call.region,
            budget: self.shared.budget.clone(),
        };
        let running = Running::new(self.open()?, call).map_err(failed)?;
        let (deferred, promise): (JsDeferred<Outcome, Resolver>, Object<'env>) = env.create_deferred()?;
        let done = Box::new(move |outcome| deferred.resolve(Box::new(move |_| Ok(outcome)) as Resolver));
        self.shared.scheduler.add(Task { running, done });
        Ok(promise)
    }
}

impl NativeModule {
    fn open(&self) -> Result<&wasmtime::Module> {
        self.module.as_ref().ok_or_else(|| Error::new(Status::InvalidArg, "the module is closed"))
    }

    fn arguments_of(&self, function: &str, bytes: &[u8]) -> Result<Vec<wasmtime::Val>> {
        let Some(ExternType::Func(kind)) = self.open()?.get_export(function) else {
            return Err(Error::new(Status::InvalidArg, "there is no such function"));
        };
        if bytes.len() != kind.params().len() * 8 {
            return Err(Error::new(Status::InvalidArg, "another number of arguments is needed"));
        }
        let numbers = bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
        kind.params()
            .zip(numbers)
            .map(|(kind, bits)| {
                value_of(&kind, bits)
                    .ok_or_else(|| Error::new(Status::InvalidArg, "a parameter is no number"))
            })
            .collect()
    }
}

/// Looks at a module without compiling it.
#[napi(js_name = "inspectModule")]
pub fn inspect_module(wasm: Buffer) -> Result<Inspection> {
    inspect(&wasm)
}

fn sealed(bytes: &[u8]) -> Result<File> {
    let system =
        |error: rustix::io::Errno| Error::new(Status::GenericFailure, format!("memory file: {error}"));
    let fd =
        memfd_create("wasm-artifact", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(system)?;
    let mut file = File::from(fd);
    file.write_all(bytes)
        .map_err(|error| Error::new(Status::GenericFailure, format!("memory file: {error}")))?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
        .map_err(system)?;
    Ok(file)
}

fn word_of(kind: &ValType) -> String {
    match kind {
        ValType::I32 => "i32".into(),
        ValType::I64 => "i64".into(),
        ValType::F32 => "f32".into(),
        ValType::F64 => "f64".into(),
        other => other.to_string(),
    }
}

fn failed(error: wasmtime::Error) -> Error {
    Error::new(Status::GenericFailure, format!("{error:#}"))
}
