//! What the guest side of Freehold's sign-in decides, without any I/O: texts, signatures, statements, and the parsers of all that
//! reaches the guest. The contract with the host is `appliance/src/sign-in/PROTOCOL.md`.
#![forbid(unsafe_code)]

pub mod address;
pub mod approval;
pub mod config;
pub mod host_key;
pub mod installation;
pub mod network;
pub mod pam_stack;
pub mod patterns;
pub mod seed;
pub mod signature;
pub mod sshd_settings;
pub mod statement;
pub mod terminal;
pub mod text;
pub mod wire;
