//! `auth`: one prompt with all facts, one Enter after the approval.
use crate::arguments::Arguments;
use crate::handle::{Handle, PAM_MAXTRIES, PAM_SUCCESS};
use crate::refusal::{Watch, watch_for_refusal};
use freehold_client::api::{Api, CallError, new_nonce};
use freehold_client::head::Failure;
use freehold_client::sessions::{VARIABLE_HOLDER, VARIABLE_ORIGIN, VARIABLE_UNTIL};
use freehold_client::settings::settings;
use freehold_core::approval::{OwnFacts, check_approval};
use freehold_core::patterns::{is_source, is_user, parse_code};
use freehold_core::statement::SignedStatement;
use freehold_core::terminal::{printable, sign_in_prompt, wrapped};
use freehold_core::wire::{OpenedRequest, RequestAnswer};
use libc::c_int;
use std::time::Instant;

/// The only login name of a guest.
const OWNER: &str = "owner";
/// Answers that a person may give without getting anywhere, before the login ends.
const ANSWERS: u32 = 60;

/// The end of a login that opens nothing: what the person reads, what the log says.
struct Denied {
    shown: String,
    logged: String,
}

impl Denied {
    fn new(text: &str) -> Self {
        Self { shown: text.into(), logged: text.into() }
    }
}

impl From<CallError> for Denied {
    fn from(error: CallError) -> Self {
        Self { shown: error.text(), logged: format!("{} ({error:?})", error.text()) }
    }
}

/// Entry point. A denial ends the whole attempt (`PAM_MAXTRIES`): else the client would begin another sign-in by itself.
pub fn authenticate(handle: &Handle, arguments: &Arguments) -> c_int {
    match sign_in(handle, arguments) {
        Ok((statement, origin)) => {
            handle.set_variable(VARIABLE_ORIGIN, &origin);
            handle.set_variable(VARIABLE_HOLDER, &statement.holder);
            handle.set_variable(VARIABLE_UNTIL, &statement.active_until.to_string());
            handle.log(&format!("sign-in by {} at block {}", statement.holder, statement.block_number));
            PAM_SUCCESS
        }
        Err(denied) => {
            handle.log(&format!("sign-in denied: {}", printable(&denied.logged)));
            handle.show_error(&wrapped(&format!(
                "Denied: {}.",
                printable(&denied.shown).trim_end_matches('.')
            )));
            PAM_MAXTRIES
        }
    }
}

fn sign_in(handle: &Handle, arguments: &Arguments) -> Result<(SignedStatement, String), Denied> {
    let user = handle.user().filter(|u| is_user(u) && u == OWNER).ok_or_else(|| Denied::new("denied"))?;
    let source = handle.remote_host().unwrap_or_default();
    if !is_source(&source) {
        return Err(Denied::new("the address you come from is not known"));
    }
    let settings = settings(&arguments.places)
        .map_err(|logged| Denied { shown: "this VM is not set up for signing in yet".into(), logged })?;
    let nonce = new_nonce().ok_or_else(|| Denied::new("no randomness"))?;
    let beside = Api::new(&settings.guest, settings.authorization.clone())?;
    let mut api = Api::new(&settings.guest, settings.authorization)?;
    let until = Instant::now() + arguments.life;
    let request = api.open_request(&nonce, &user, &source)?;
    // until this function returns: then nobody waits any more
    let watch = watch_for_refusal(beside, &request.id, until);
    let own = OwnFacts {
        statement_key: settings.guest.statement_key,
        host_key: settings.host_key,
        vm: settings.guest.vm,
        user,
        source,
        nonce,
    };
    let mut prompt = sign_in_prompt(&own.user, &own.vm.vm_id(), &own.source, &request);
    for _ in 0..ANSWERS {
        let pasted = Watch::while_asking(watch.as_ref(), || handle.ask(&prompt));
        let pasted = pasted.ok_or_else(|| Denied::new("no answer"))?;
        if Instant::now() >= until {
            return Err(Denied::new("the sign-in has expired. Run ssh again"));
        }
        let answer = match pasted.trim_matches([' ', '\t']) {
            "" => wait(&mut api, &request.id, until)?,
            text => match parse_code(text) {
                Some(code) => api.reply(&request.id, &code)?,
                None => {
                    prompt = "That is no reply code (8 letters and digits).\nPress Enter when approved, or paste the reply code: ".into();
                    continue;
                }
            },
        };
        prompt = match answer {
            RequestAnswer::Approved { signature, signer, statement } => {
                let accepted = accept(&own, &request, &signature, &signer, *statement, until)?;
                return Ok((accepted, request.origin));
            }
            RequestAnswer::Denied { reason } => {
                let shown = if reason.text.is_empty() { "denied".into() } else { reason.text };
                return Err(Denied { logged: format!("{} ({})", shown, reason.code), shown });
            }
            RequestAnswer::Waiting {} => {
                "Not approved yet. Press Enter when approved, or paste the reply code: ".into()
            }
            RequestAnswer::NeedsReply { tries_left } => {
                let wrong = if pasted.trim().is_empty() { "" } else { "That reply code does not fit. " };
                let tries = if tries_left == 1 { "1 try".into() } else { format!("{tries_left} tries") };
                format!(
                    "{wrong}Signed from another address or browser:\nthe page shows a reply code. Paste it here ({tries} left): "
                )
            }
        };
    }
    Err(Denied::new("too many answers. Run ssh again"))
}

/// Enter was pressed: asks once, waiting as long as the host lets wait, never longer than the sign-in lives.
fn wait(api: &mut Api, id: &str, until: Instant) -> Result<RequestAnswer, Denied> {
    match api.request(id) {
        // an answer that got lost may be asked for again
        Err(CallError::Failed(Failure::Unreachable)) if Instant::now() < until => Ok(api.request(id)?),
        other => Ok(other?),
    }
}

fn accept(
    own: &OwnFacts,
    request: &OpenedRequest,
    signature: &str,
    signer: &str,
    statement: SignedStatement,
    until: Instant,
) -> Result<SignedStatement, Denied> {
    if Instant::now() >= until {
        return Err(Denied::new("the sign-in has expired. Run ssh again"));
    }
    check_approval(own, request, signature, signer, &statement)
        .map_err(|refusal| Denied::new(refusal.text()))?;
    Ok(statement)
}
