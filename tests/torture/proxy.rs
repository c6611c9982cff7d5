//! A bad network: a proxy that does something once, at one byte of one direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both sides are closed.
    Cut,
    /// Nothing is forwarded any more, in either direction, and neither side hears of the other: a black hole.
    Stall,
    /// Goes on after a while.
    Delay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What happens to the next connection, after this many bytes.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub kind: Kind,
    pub direction: Direction,
    pub after: usize,
}

struct State {
    fault: Mutex<Option<Fault>>,
    /// Bytes of the last connection that had no fault.
    bytes: [AtomicUsize; 2],
    stop: AtomicBool,
}

pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub fn to(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state =
            Arc::new(State { fault: Mutex::new(None), bytes: Default::default(), stop: AtomicBool::new(false) });
        let server = (server.host_str().unwrap().to_owned(), server.port().unwrap());
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(server) = TcpStream::connect((&*server.0, server.1)) {
                    forward(client, server, &shared);
                }
            }
        });
        Self { port, state }
    }

    /// The same database through the proxy.
    pub fn url(&self, database: &Url) -> Url {
        let mut url = database.clone();
        url.set_port(Some(self.port)).unwrap();
        url
    }

    pub fn arm(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = Some(fault);
    }

    /// How many bytes the last connection without a fault has sent and received.
    pub fn bytes(&self) -> [usize; 2] {
        [&self.state.bytes[0], &self.state.bytes[1]].map(|bytes| bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn forward(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    let fault = state.fault.lock().unwrap().take();
    let stalled = Arc::new(AtomicBool::new(false));
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    for (index, direction) in [Direction::ToServer, Direction::ToClient].into_iter().enumerate() {
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        if direction == Direction::ToClient {
            std::mem::swap(&mut from, &mut to);
        }
        let (state, stalled, server) = (state.clone(), stalled.clone(), server.try_clone().unwrap());
        if fault.is_none() {
            state.bytes[index].store(0, Ordering::Relaxed);
        }
        std::thread::spawn(move || {
            let mut pump = Pump { from, to, server, stalled, forwarded: 0 };
            pump.run(fault.filter(|fault| fault.direction == direction), |bytes| {
                if fault.is_none() {
                    state.bytes[index].fetch_add(bytes, Ordering::Relaxed);
                }
            });
        });
    }
}

/// One direction of a connection.
struct Pump {
    from: TcpStream,
    to: TcpStream,
    server: TcpStream,
    stalled: Arc<AtomicBool>,
    forwarded: usize,
}

impl Pump {
    /// The server is told after a while, longer than its own timeouts: or it would run out of connections.
    fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
        let server = self.server.try_clone().unwrap();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(3));
            let _ = server.shutdown(Shutdown::Both);
        });
    }

    fn run(&mut self, mut fault: Option<Fault>, count: impl Fn(usize)) {
        let mut buffer = [0; 16_384];
        loop {
            if let Some(Fault { kind, .. }) = fault.filter(|fault| fault.after <= self.forwarded) {
                fault = None;
                match kind {
                    Kind::Cut => break,
                    Kind::Stall => self.stall(),
                    Kind::Delay => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            let most = fault.map_or(buffer.len(), |fault| (fault.after - self.forwarded).min(buffer.len()));
            let Ok(read @ 1..) = self.from.read(&mut buffer[..most]) else { break };
            // What comes meanwhile goes nowhere; the connection ends when the client ends it.
            if self.stalled.load(Ordering::Relaxed) {
                continue;
            }
            if self.to.write_all(&buffer[..read]).is_err() {
                break;
            }
            self.forwarded += read;
            count(read);
        }
        let _ = self.from.shutdown(Shutdown::Both);
        // The other side of a black hole hears nothing of that: the other direction keeps its connection open.
        if !self.stalled.load(Ordering::Relaxed) {
            let _ = self.to.shutdown(Shutdown::Both);
        }
    }
}
