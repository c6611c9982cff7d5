//! A server of one test, which may kill it: made of the programs of the server that `DATABASE_URL` names.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::prelude::*;

use crate::support::value;
use crate::ways::eventually;

pub struct Server {
    /// Its root folder, and what is in it: the programs and the data.
    root: PathBuf,
    programs: PathBuf,
    data: String,
    user: String,
    port: u16,
    postmaster: Child,
}

impl Server {
    /// `None`, said aloud, where the programs are not to be had.
    pub fn start() -> Option<Self> {
        let url = std::env::var("DATABASE_URL").unwrap();
        let mut conn = PgConnection::establish(&url).unwrap();
        let pid = value(&mut conn, "SELECT pg_backend_pid()");
        // Another machine or container may have a process of that number, too.
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        // Inside another root folder, that of the server may have a path that is not to be seen from there.
        let root = fs::read_link(format!("/proc/{pid}/root")).and_then(fs::canonicalize);
        let (Ok(exe), Ok(root), "postgres") = (exe, root, name.trim()) else {
            eprintln!("left out: kills of a server: needs root, on the machine of the server");
            return None;
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let id = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let user = format!("{}:{}", id("Uid:"), id("Gid:"));
        let programs = Path::new("/").join(exe.strip_prefix(&root).unwrap().parent().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = format!("/tmp/writer-test-{}-{port}", std::process::id());
        let mut initdb = Self::command(&root, &user, &programs, "initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", &data]);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success(), "initdb");
        let postmaster = Self::postmaster(&root, &user, &programs, &data, port);
        let server = Self { root, programs, data, user, port, postmaster };
        server.connect();
        Some(server)
    }

    fn command(root: &Path, user: &str, programs: &Path, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}")).arg(root).arg(programs.join(program));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/bin").env("LC_ALL", "C");
        command
    }

    fn postmaster(root: &Path, user: &str, programs: &Path, data: &str, port: u16) -> Child {
        let mut command = Self::command(root, user, programs, "postgres");
        command.args(["-D", data, "-p", &port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    pub fn connect(&self) -> PgConnection {
        let mut conn = None;
        eventually("the server starts", || {
            conn = PgConnection::establish(&self.url()).ok();
            conn.is_some()
        });
        conn.unwrap()
    }

    /// Kills all of its processes at once.
    pub fn kill(&mut self) {
        let postmaster = self.postmaster.id();
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap_or_default();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").arg(postmaster.to_string()).args(children.split_whitespace());
        let _ = kill.stderr(Stdio::null()).status();
        self.postmaster.wait().unwrap();
    }

    pub fn restart(&mut self) {
        // A process that is about to die may hold the memory of the server for a moment.
        eventually("the server starts again", || {
            self.postmaster = Self::postmaster(&self.root, &self.user, &self.programs, &self.data, self.port);
            std::thread::sleep(Duration::from_millis(300));
            self.postmaster.try_wait().unwrap().is_none()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let data = self.data.trim_start_matches('/');
        let _ = fs::remove_dir_all(self.root.join(data));
    }
}
