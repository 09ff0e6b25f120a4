use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use napi::bindgen_prelude::BigInt;
use wasmtime::{Extern, Instance, Module, ResourceLimiter, Store, Val, ValType};

use crate::outcome::{End, Outcome};

/// What one guest may have, and what it asked for.
pub struct Limits {
    max_memory_bytes: usize,
    max_table_elements: usize,
    memory_bytes: usize,
    grow_refused: bool,
    budget_refused: bool,
    started: bool,
    budget: Arc<Budget>,
}

/// What all instances of an engine may hold together.
pub struct Budget {
    pub most: usize,
    pub held: AtomicUsize,
}

impl Budget {
    /// Takes `more` bytes, or none.
    fn take(&self, more: usize) -> bool {
        let fits = |held: usize| held.checked_add(more).filter(|sum| *sum <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.memory_bytes, Ordering::Relaxed);
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.max_memory_bytes {
            self.grow_refused = true;
            return Ok(false);
        }
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        // one memory an instance, and it never shrinks
        let more = desired.saturating_sub(self.memory_bytes);
        if !self.budget.take(more) {
            self.budget_refused = true;
            return Ok(false);
        }
        self.memory_bytes += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.max_table_elements)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        crate::config::TABLES as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What to run, all of it checked against the module before.
pub struct Call {
    /// Calls that come first, in the same instance: arguments and name.
    pub before: Vec<(Vec<Val>, String)>,
    pub function: String,
    /// One value for each parameter.
    pub arguments: Vec<Val>,
    pub gas_limit: u64,
    pub slice_gas: u64,
    pub deadline: Instant,
    pub max_memory_bytes: usize,
    pub max_table_elements: usize,
    pub cancelled: Arc<AtomicBool>,
    pub region: bool,
    pub budget: Arc<Budget>,
}

type Guest = Pin<Box<dyn Future<Output = End> + Send>>;

/// A guest under way: polled a slice at a time by whichever thread has a turn free.
pub struct Running {
    /// Dropped before `store`, which it borrows.
    guest: Option<Guest>,
    store: *mut Store<Limits>,
    gas_limit: u64,
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
    begun: Option<Instant>,
}

// SAFETY: the store is reached through `guest` or, once that is gone, through the pointer; never by two threads at once, since
// a `Running` is owned by the queue or by one thread.
unsafe impl Send for Running {}

impl Running {
    pub fn new(module: &Module, call: Call) -> wasmtime::Result<Self> {
        let limits = Limits {
            max_memory_bytes: call.max_memory_bytes,
            max_table_elements: call.max_table_elements,
            memory_bytes: 0,
            grow_refused: false,
            budget_refused: false,
            started: false,
            budget: call.budget.clone(),
        };
        let mut store = Box::new(Store::new(module.engine(), limits));
        store.limiter(|limits| limits);
        store.set_fuel(call.gas_limit)?;
        store.fuel_async_yield_interval(Some(call.slice_gas))?;
        let (gas_limit, deadline, cancelled) = (call.gas_limit, call.deadline, call.cancelled.clone());
        let store = Box::into_raw(store);
        // SAFETY: the store lives until `Drop`, which ends the guest first.
        let borrowed: &'static mut Store<Limits> = unsafe { &mut *store };
        let guest: Guest = Box::pin(run(borrowed, module.clone(), call));
        Ok(Self { guest: Some(guest), store, gas_limit, deadline, cancelled, begun: None })
    }

    /// One slice. The outcome, once there is one; time and cancellation are looked at between slices.
    pub fn turn(&mut self) -> Option<Outcome> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let end = if self.cancelled.load(Ordering::Relaxed) {
            End::Cancelled
        } else if Instant::now() >= self.deadline {
            End::Deadline
        } else {
            match self.guest.as_mut()?.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return None,
                Poll::Ready(end) => end,
            }
        };
        // unwinds the guest's stack where it is still inside
        self.guest = None;
        // SAFETY: the guest is gone, so nothing else borrows the store.
        let store = unsafe { &*self.store };
        let limits = store.data();
        let left = store.get_fuel().unwrap_or(0).min(self.gas_limit);
        let (status, detail, gas_exact) =
            end.classify(limits.grow_refused, limits.budget_refused, limits.started);
        let used = if status == "out-of-gas" { self.gas_limit } else { self.gas_limit - left };
        let (results, region) = match end {
            End::Returned { results, region } => (Some(results.into()), region.map(Into::into)),
            _ => (None, None),
        };
        Some(Outcome {
            status: status.into(),
            detail,
            results,
            region,
            gas_used: BigInt::from(used),
            gas_exact,
            memory_bytes: limits.memory_bytes as f64,
            grow_refused: limits.grow_refused,
            budget_refused: limits.budget_refused,
            run_milliseconds: begun.elapsed().as_secs_f64() * 1000.0,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.guest = None;
        // SAFETY: made by `Box::into_raw` in `new`, and the guest that borrowed it is gone.
        drop(unsafe { Box::from_raw(self.store) });
    }
}

async fn run(store: &mut Store<Limits>, module: Module, call: Call) -> End {
    // a `start` function runs here, under the same gas and deadline
    let instance = match Instance::new_async(&mut *store, &module, &[]).await {
        Ok(instance) => instance,
        Err(error) => return End::Failed(error),
    };
    store.data_mut().started = true;
    for (arguments, name) in &call.before {
        if let Err(end) = call_one(store, &instance, name, arguments).await {
            return end;
        }
    }
    let results = match call_one(store, &instance, &call.function, &call.arguments).await {
        Ok(results) => results,
        Err(end) => return end,
    };
    let mut bytes = Vec::with_capacity(results.len() * 8);
    for result in &results {
        let Some(bits) = bits_of(result) else { return End::Refused("a result is not a number".into()) };
        bytes.extend_from_slice(&bits.to_le_bytes());
    }
    if !call.region {
        return End::Returned { results: bytes, region: None };
    }
    let [Val::I32(pointer), Val::I32(length)] = results[..] else {
        return End::Refused("a region needs two i32 results: pointer and length".into());
    };
    let (pointer, length) = (pointer as u32 as usize, length as u32 as usize);
    let region = instance.get_memory(&mut *store, "memory").and_then(|memory| {
        memory.data(&*store).get(pointer..pointer.checked_add(length)?).map(<[u8]>::to_vec)
    });
    match region {
        Some(region) => End::Returned { results: bytes, region: Some(region) },
        None => End::Refused("the region lies outside the memory".into()),
    }
}

async fn call_one(
    store: &mut Store<Limits>,
    instance: &Instance,
    name: &str,
    arguments: &[Val],
) -> Result<Vec<Val>, End> {
    let Some(Extern::Func(function)) = instance.get_export(&mut *store, name) else {
        return Err(End::Refused(format!("there is no function {name}")));
    };
    let mut results: Vec<Val> = function.ty(&*store).results().map(|kind| empty(&kind)).collect();
    match function.call_async(&mut *store, arguments, &mut results).await {
        Ok(()) => Ok(results),
        Err(error) => Err(End::Failed(error)),
    }
}

fn empty(kind: &ValType) -> Val {
    match kind {
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0),
        ValType::F64 => Val::F64(0),
        _ => Val::I32(0),
    }
}

fn bits_of(value: &Val) -> Option<u64> {
    match value {
        Val::I32(value) => Some(*value as u32 as u64),
        Val::I64(value) => Some(*value as u64),
        Val::F32(bits) => Some(u64::from(*bits)),
        Val::F64(bits) => Some(*bits),
        _ => None,
    }
}

/// A number of the given type from its bits. None for types that are no numbers.
pub fn value_of(kind: &ValType, bits: u64) -> Option<Val> {
    match kind {
        ValType::I32 => Some(Val::I32(bits as u32 as i32)),
        ValType::I64 => Some(Val::I64(bits as i64)),
        ValType::F32 => Some(Val::F32(bits as u32)),
        ValType::F64 => Some(Val::F64(bits)),
        _ => None,
    }
}
