//! A real sshd on loopback with keys, port and configuration of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use baremetal::{
    inventory::{Host, Role, Ssh},
    ssh::{Connection, ControlDir, Options},
};
use tempfile::TempDir;

pub struct Sshd {
    pub directory: TempDir,
    pub port: u16,
    process: Child,
}

impl Sshd {
    /// Starts one that lets root in with `user_key`.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with further lines of configuration.
    pub fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in ["host_key", "user_key", "other_key"] {
            keygen(&path.join(name));
        }
        std::fs::copy(path.join("user_key.pub"), path.join("authorized_keys")).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let port = free_port();
        let process = serve(path, port, more);
        let sshd = Self {
            directory,
            port,
            process,
        };
        sshd.trust();
        sshd
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts the host key into `known_hosts`.
    pub fn trust(&self) {
        let public = std::fs::read_to_string(self.file("host_key.pub")).unwrap();
        let line = format!("[127.0.0.1]:{0},[127.0.0.2]:{0} {public}", self.port);
        std::fs::write(self.file("known_hosts"), line).unwrap();
    }

    /// Starts anew with another host key on the same port.
    pub fn change_host_key(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        std::fs::remove_file(self.file("host_key")).unwrap();
        keygen(&self.file("host_key"));
        self.process = serve(self.directory.path(), self.port, "");
    }

    pub fn ssh(&self) -> Ssh {
        Ssh {
            user: Some("root".to_owned()),
            port: Some(self.port),
            key: Some(self.file("user_key")),
            config: Some("/dev/null".into()),
            known_hosts: Some(self.file("known_hosts")),
            ..Ssh::default()
        }
    }

    pub fn host(&self) -> Host {
        host("cp1", "127.0.0.1", self.ssh())
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(&self.host(), &options()).await.unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn options() -> Options {
    Options {
        accept_new_host_keys: false,
        timeout: Duration::from_secs(10),
        control: Arc::new(ControlDir::new().unwrap()),
        pace: Arc::default(),
        sudo_password: None,
    }
}

pub fn host(name: &str, address: &str, ssh: Ssh) -> Host {
    Host {
        name: name.to_owned(),
        address: address.to_owned(),
        node_ip: std::net::Ipv4Addr::LOCALHOST.into(),
        node_ip_v6: None,
        roles: vec![Role::ControlPlane],
        groups: Vec::new(),
        ssh,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        taints: Vec::new(),
        interface: None,
        data_disks: Vec::new(),
        kubelet: serde_json::Map::new(),
        bmc: None,
        vrrp_priority: 100,
        schedulable: true,
        skip_checks: Vec::new(),
        lab: false,
        position: (1, 1),
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
}

fn serve(directory: &Path, port: u16, more: &str) -> Child {
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\n\
         PidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         StrictModes no\nAllowTcpForwarding yes\nMaxStartups 100\n{more}",
        directory.display()
    );
    let file = directory.join("sshd_config");
    std::fs::write(&file, config).unwrap();
    let log = std::fs::File::create(directory.join("sshd.log")).unwrap();
    let process = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "sshd did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}
