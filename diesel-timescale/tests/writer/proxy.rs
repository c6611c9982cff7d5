//! A way to the server that can be cut: the client sees its connection closed, and the server does not.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Proxy {
    address: SocketAddr,
    clients: Arc<Mutex<Vec<TcpStream>>>,
    /// The server's sides, which stay open.
    servers: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), clients: Arc::default(), servers: Arc::default() };
        let (clients, servers) = (Arc::clone(&proxy.clients), Arc::clone(&proxy.servers));
        let target = (host.to_owned(), port);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect((target.0.as_str(), target.1)) else { continue };
                clients.lock().unwrap().push(client.try_clone().unwrap());
                servers.lock().unwrap().push(server.try_clone().unwrap());
                copy(client.try_clone().unwrap(), server.try_clone().unwrap());
                copy(server, client);
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes all connections for their clients.
    pub fn cut(&self) {
        for client in self.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    });
}
