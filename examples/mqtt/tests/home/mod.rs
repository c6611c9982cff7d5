//! A broker of the test's own, the program, and who publishes and listens.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, MqttOptions, Packet, Publish, QoS};
use url::Url;

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in two minutes: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// mosquitto, on the loopback, with a folder of its own; gone when this is dropped.
pub struct Broker {
    process: Child,
    folder: PathBuf,
    pub port: u16,
}

impl Broker {
    pub fn start(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}_{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // What nobody has acknowledged waits, however much it is.
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 500\nmax_queued_messages 0\n\
             persistence false\nuser root\nlog_type error\n"
        );
        std::fs::write(folder.join("mosquitto.conf"), settings).unwrap();
        // Debian has it where root's programs are.
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap());
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(folder.join("mosquitto.conf")).env("PATH", path).stdin(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("this test needs the broker mosquitto ({error}): apt-get install mosquitto, or .ci/run tools")
        });
        let broker = Self { process, folder, port };
        eventually("the broker listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        broker
    }

    /// The program's file: these lines after those of the broker.
    pub fn file(&self, lines: &str) -> PathBuf {
        let file = self.folder.join("sensors.toml");
        let broker = format!(
            "[broker]\nhost = \"127.0.0.1\"\nport = {}\nclient_id = \"ingest\"\nrejected = \"occupancy/rejected\"\n",
            self.port
        );
        std::fs::write(&file, broker + lines).unwrap();
        file
    }

    fn options(&self, client: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client, "127.0.0.1", self.port);
        options.set_inflight(400);
        options.set_max_packet_size(1 << 20, 1 << 20);
        options
    }

    /// Publishes messages, and returns when the broker has all of them.
    pub fn publish(&self, messages: impl Iterator<Item = (String, Vec<u8>)> + Send) {
        let (client, mut connection) = Client::new(self.options("publisher"), 100);
        std::thread::scope(|scope| {
            let published = scope.spawn(move || {
                let mut count = 0;
                for (topic, payload) in messages {
                    client.publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
                    count += 1;
                }
                (client, count)
            });
            let (mut acknowledged, mut all) = (0, None);
            let mut published = Some(published);
            for event in connection.iter() {
                if let Event::Incoming(Packet::PubAck(_)) = event.unwrap() {
                    acknowledged += 1;
                }
                if published.as_ref().is_some_and(|published| published.is_finished()) {
                    all = published.take().map(|published| published.join().unwrap());
                }
                if all.as_ref().is_some_and(|(_, all)| *all == acknowledged) {
                    return;
                }
            }
        });
    }

    /// What is published on a topic from now on, and what is retained there. `client` may be the name of another, whose
    /// messages it then gets.
    pub fn listen(&self, client: &str, topic: Option<&str>) -> Receiver<Publish> {
        let mut options = self.options(client);
        options.set_clean_session(topic.is_some()).set_manual_acks(topic.is_none());
        let (client, mut connection) = Client::new(options, 10);
        let (heard, receiver): (Sender<Publish>, _) = channel();
        let (ready, is_ready) = channel();
        match topic {
            Some(topic) => client.subscribe(topic, QoS::AtLeastOnce).unwrap(),
            None => ready.send(()).unwrap(),
        }
        std::thread::spawn(move || {
            let _client = client;
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        if heard.send(message).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    // The broker has gone, with the test.
                    Err(_) => return,
                }
            }
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        receiver
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The program.
pub struct Ingest(Child);

impl Ingest {
    pub fn start(file: &Path, database: &Url) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.arg(file).env("DATABASE_URL", database.as_str()).args(["--status", "0"]);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and whether it ends well.
    pub fn stop(mut self) -> bool {
        let status = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status().unwrap();
        status.success() && self.0.wait().unwrap().success()
    }
}
