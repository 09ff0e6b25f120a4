//! The little of HTTP/1.1 that the guest API needs: one request at a time on a kept connection, answers with a length.
use crate::head::{Failure, parse_head};
use rustls::pki_types::{IpAddr, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A kept connection that has been silent for longer is not used again.
const KEEP: Duration = Duration::from_secs(20);

/// Status and body. The body may hold a secret.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// At most 64 KiB.
    pub body: Zeroizing<Vec<u8>>,
    /// The other side's clock, unix seconds. Nothing is decided by it.
    pub date: Option<u64>,
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Cuts a client's connection from another thread, now and for good.
#[derive(Clone, Default)]
pub struct Line(Arc<(AtomicBool, Mutex<Option<TcpStream>>)>);

impl Line {
    /// Ends the call that is under way, and lets no other begin.
    pub fn cut(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        if let Ok(Some(socket)) = self.0.1.lock().map(|mut socket| socket.take()) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    fn hold(&self, socket: &TcpStream) -> Result<(), Failure> {
        let mut held = self.0.1.lock().map_err(|_| Failure::Unreachable)?;
        *held = socket.try_clone().ok();
        // asked under the lock: whoever cuts either finds this socket or is seen here
        if self.is_cut() { Err(Failure::Unreachable) } else { Ok(()) }
    }
}

/// A client of one endpoint.
pub struct Http {
    endpoint: SocketAddr,
    tls: Arc<ClientConfig>,
    kept: Option<(Stream, Instant)>,
    line: Line,
}

impl Http {
    /// Connects at the first call.
    pub fn new(endpoint: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        Self { endpoint, tls, kept: None, line: Line::default() }
    }

    /// What cuts this client's connection.
    pub fn line(&self) -> Line {
        self.line.clone()
    }

    /// Sends a request and reads its answer within `patience`. `head` is the request line and headers without the framing ones;
    /// a GET on a kept connection that turns out to be dead is sent once more on a fresh one.
    pub fn call(&mut self, head: &str, body: &[u8], patience: Duration) -> Result<Answer, Failure> {
        let until = Instant::now() + patience;
        if let Some((stream, used)) = self.kept.take() {
            let idempotent = head.starts_with("GET ");
            if idempotent && used.elapsed() < KEEP {
                match self.exchange(stream, head, body, until) {
                    Err(Failure::Unreachable) => {}
                    other => return other,
                }
            }
        }
        let stream = self.connect(until)?;
        self.exchange(stream, head, body, until)
    }

    fn connect(&self, until: Instant) -> Result<Stream, Failure> {
        let socket = TcpStream::connect_timeout(&self.endpoint, left(until)?.min(Duration::from_secs(10)))
            .map_err(failure)?;
        let _ = socket.set_nodelay(true);
        self.line.hold(&socket)?;
        let name = ServerName::IpAddress(IpAddr::from(self.endpoint.ip()));
        let connection = ClientConnection::new(self.tls.clone(), name).map_err(|_| Failure::WrongKey)?;
        let mut stream = StreamOwned::new(connection, socket);
        let handshake_until = until.min(Instant::now() + Duration::from_secs(15));
        while stream.conn.is_handshaking() {
            limit(&stream, handshake_until)?;
            stream.conn.complete_io(&mut stream.sock).map_err(failure)?;
        }
        Ok(stream)
    }

    fn exchange(
        &mut self,
        mut stream: Stream,
        head: &str,
        body: &[u8],
        until: Instant,
    ) -> Result<Answer, Failure> {
        let framing = format!("Host: login.invalid\r\nContent-Length: {}\r\n\r\n", body.len());
        let request = Zeroizing::new([head.as_bytes(), framing.as_bytes(), body].concat());
        limit(&stream, until)?;
        stream.write_all(&request).map_err(failure)?;
        stream.flush().map_err(failure)?;

        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        loop {
            if let Some(head) = parse_head(&bytes)? {
                let whole = head.length + head.body;
                if bytes.len() > whole {
                    return Err(Failure::Garbled);
                }
                if bytes.len() == whole {
                    let body = Zeroizing::new(bytes.get(head.length..).unwrap_or_default().to_vec());
                    if !head.close {
                        self.kept = Some((stream, Instant::now()));
                    }
                    return Ok(Answer { status: head.status, body, date: head.date });
                }
            }
            limit(&stream, until)?;
            let mut buffer = Zeroizing::new([0u8; 4096]);
            let read = match stream.read(buffer.as_mut_slice()) {
                // a connection that ends before the first byte was dead; one that ends later is cut short
                Ok(0) if bytes.is_empty() => return Err(Failure::Unreachable),
                Ok(0) => return Err(Failure::Garbled),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failure(error)),
            };
            bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }
}

fn left(until: Instant) -> Result<Duration, Failure> {
    until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()).ok_or(Failure::TimedOut)
}

fn limit(stream: &Stream, until: Instant) -> Result<(), Failure> {
    let left = Some(left(until)?);
    let set = stream.sock.set_read_timeout(left).and_then(|()| stream.sock.set_write_timeout(left));
    set.map_err(|_| Failure::Unreachable)
}

fn failure(error: Error) -> Failure {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (error.kind(), tls) {
        (_, Some(_)) => Failure::WrongKey,
        (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => Failure::TimedOut,
        _ => Failure::Unreachable,
    }
}
