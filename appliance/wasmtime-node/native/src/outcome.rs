use napi::bindgen_prelude::{BigInt, Buffer};
use napi_derive::napi;
use wasmtime::{PoolConcurrencyLimitError, Trap};

/// How one run ended. `status` is one of `returned`, `trapped`, `out-of-gas`, `deadline`, `cancelled`, `memory-exceeded`,
/// `no-slot`, `no-memory`,
/// `refused`.
#[napi(object)]
pub struct Outcome {
    pub status: String,
    /// The trap or refusal in words.
    pub detail: Option<String>,
    /// Eight bytes for each result, little-endian, in the order of the signature.
    pub results: Option<Buffer>,
    /// Bytes of memory that the results name as (pointer, length), if asked for.
    pub region: Option<Buffer>,
    pub gas_used: BigInt,
    /// False: more was used, by less than one slice.
    pub gas_exact: bool,
    /// Largest size the memory had.
    pub memory_bytes: f64,
    /// The guest asked for more memory than it may have, and was told no.
    pub grow_refused: bool,
    /// The guest asked for memory that others hold at the moment, and was told no.
    pub budget_refused: bool,
    /// Wall time from the first instruction of this run to its end, waiting for turns included.
    pub run_milliseconds: f64,
}

/// The end of a guest before gas and time are added.
pub enum End {
    Returned { results: Vec<u8>, region: Option<Vec<u8>> },
    Failed(wasmtime::Error),
    Refused(String),
    Deadline,
    Cancelled,
}

impl End {
    /// Status, words, and whether the gas is known to the last unit.
    pub fn classify(
        &self,
        grow_refused: bool,
        budget_refused: bool,
        started: bool,
    ) -> (&'static str, Option<String>, bool) {
        match self {
            Self::Returned { .. } => ("returned", None, true),
            Self::Refused(why) => ("refused", Some(why.clone()), true),
            // both are seen at a yield, where everything is accounted for
            Self::Deadline => ("deadline", None, true),
            Self::Cancelled => ("cancelled", None, true),
            Self::Failed(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::OutOfFuel) => ("out-of-gas", None, true),
                Some(trap) => {
                    let status = match (grow_refused, budget_refused) {
                        (true, _) => "memory-exceeded",
                        (_, true) => "no-memory",
                        _ => "trapped",
                    };
                    (status, Some(trap.to_string()), matches!(trap, Trap::UnreachableCodeReached))
                }
                None if error.is::<PoolConcurrencyLimitError>() => ("no-slot", None, true),
                None if budget_refused && !started => ("no-memory", None, true),
                None if grow_refused && !started => {
                    ("memory-exceeded", Some("the memory it begins with is too large".into()), true)
                }
                None => ("refused", Some(format!("{error:#}")), true),
            },
        }
    }
}
