//! The guest's way to the login endpoint: TLS 1.3 to one pinned key, bounded HTTP/1.1, strict timeouts, and files that are
//! trusted only after owner and mode were checked on the open descriptor.

#[cfg(feature = "tls")]
pub mod api;
pub mod head;
#[cfg(feature = "tls")]
pub mod http;
#[cfg(feature = "tls")]
pub mod pin;
pub mod secure_file;
pub mod sessions;
pub mod settings;
