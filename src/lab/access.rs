//! How lab hosts are reached: a key of the lab, host keys read through the engine, an ssh configuration.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};

use super::container::Container;
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Host},
};

/// The files of one lab, in a directory that only its owner may enter.
#[derive(Debug, Clone)]
pub struct Files {
    pub directory: PathBuf,
    pub key: PathBuf,
    pub known_hosts: PathBuf,
    /// For `ssh -F`.
    pub config: PathBuf,
    /// Held while a lab is changed.
    pub lock: PathBuf,
}

/// `$XDG_STATE_HOME/baremetal/lab`, or below `~/.local/state`.
pub fn state_directory() -> Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("baremetal/lab"))
        .ok_or_else(|| {
            Failure::new(Code::Usage, "lab: neither HOME nor XDG_STATE_HOME is set")
                .hint("set one: the lab's ssh key is kept below it")
                .into()
        })
}

impl Files {
    pub fn of(cluster: &Cluster) -> Result<Self> {
        let directory = state_directory()?.join(&cluster.name);
        Ok(Self {
            key: directory.join("id_ed25519"),
            known_hosts: directory.join("known_hosts"),
            config: directory.join("config"),
            lock: directory.with_extension("lock"),
            directory,
        })
    }

    /// The public key; the pair is made when there is none.
    pub async fn public_key(&self) -> Result<String> {
        make_directory(&self.directory)?;
        let public = self.key.with_extension("pub");
        if !self.key.exists() || !public.exists() {
            // A pair that was made halfway is of no use, and ssh-keygen asks before it overwrites.
            let _ = fs::remove_file(&self.key);
            let made = tokio::process::Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "baremetal-lab", "-f"])
                .arg(&self.key)
                .output()
                .await
                .context("ssh-keygen: cannot be run; install openssh-client")?;
            anyhow::ensure!(
                made.status.success(),
                "ssh-keygen: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            );
        }
        let text = fs::read_to_string(&public).with_context(|| public.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    /// The host keys that are known, as lines of `known_hosts`.
    pub fn known(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.known_hosts).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Writes the host keys of all containers and the configuration that goes with them.
    pub fn write(&self, lines: &[String], containers: &[Container]) -> Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        write_private(&self.known_hosts, &text)?;
        write_private(&self.config, &self.ssh_config(containers))
    }

    fn ssh_config(&self, containers: &[Container]) -> String {
        let mut config = String::new();
        for container in containers {
            // Writing to a string cannot fail.
            let _ = write!(
                config,
                "Host {} {}\n  HostName {}\n",
                container.host, container.address, container.address
            );
        }
        let _ = write!(
            config,
            "Host *\n  User root\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"\n  \
             GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
            self.key.display(),
            self.known_hosts.display()
        );
        config
    }

    /// The host with its ssh settings filled in; a user that the inventory names is kept.
    pub fn fill(&self, host: &mut Host) {
        host.lab = true;
        host.ssh.user.get_or_insert_with(|| "root".into());
        host.ssh.key = Some(self.key.clone());
        host.ssh.known_hosts = Some(self.known_hosts.clone());
        host.ssh.config = Some(self.config.clone());
    }
}

/// The line for a container; the comment tells which one the key belongs to, so that a host made anew is noticed.
pub fn known_line(container: &Container, public_key: &str) -> Option<String> {
    let mut fields = public_key.split_whitespace();
    let (kind, key) = (fields.next()?, fields.next()?);
    Some(format!(
        "{},{} {kind} {key} {}",
        container.host, container.address, container.id
    ))
}

/// The known line of a container, if there is one.
pub fn line_of<'a>(lines: &'a [String], container: &Container) -> Option<&'a String> {
    let names = format!("{},{}", container.host, container.address);
    lines.iter().find(|line| {
        line.split(' ').next() == Some(names.as_str())
            && line.rsplit(' ').next() == Some(container.id.as_str())
    })
}

/// `ssh` into a lab host, or running `command` there; the lab must be up.
pub fn ssh_command(
    cluster: &Cluster,
    host: &str,
    command: &[String],
) -> Result<std::process::Command> {
    let files = Files::of(cluster)?;
    let host = cluster.host(host).ok_or_else(|| {
        let names: Vec<&str> = cluster
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        anyhow!(
            Failure::new(Code::Usage, format!("lab: no host is named `{host}`"))
                .hint(format!("hosts: {}", names.join(", ")))
        )
    })?;
    if !files.config.exists() {
        return Err(
            Failure::new(Code::Usage, format!("lab: {} is not running", cluster.name))
                .hint("`baremetal up` starts the hosts of a lab")
                .into(),
        );
    }
    let mut ssh = std::process::Command::new("ssh");
    ssh.arg("-F").arg(&files.config);
    if let Some(user) = &host.ssh.user {
        ssh.arg("-l").arg(user);
    }
    ssh.arg(&host.address).args(command);
    Ok(ssh)
}

/// Whether an SSH server greets at `address`.
pub fn greets(address: SocketAddr, timeout: Duration) -> bool {
    let greeting = || -> std::io::Result<[u8; 4]> {
        let mut stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        let mut first = [0; 4];
        stream.read_exact(&mut first)?;
        Ok(first)
    };
    greeting().is_ok_and(|first| &first == b"SSH-")
}

pub fn make_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| path.display().to_string())
}

/// Waits for an exclusive lock; the kernel releases it when this process ends.
pub async fn lock(path: PathBuf) -> Result<File> {
    tokio::task::spawn_blocking(move || {
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    })
    .await?
    .map_err(|error: std::io::Error| anyhow::Error::from(error).context("lab: lock"))
}

/// Replaces a file as a whole, readable by its owner only.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let whole = || -> std::io::Result<()> {
        let new = path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    whole().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str) -> Container {
        Container {
            id: id.into(),
            name: "baremetal_x_cp1".into(),
            host: "cp1".into(),
            address: "10.9.8.11".into(),
            state: "running".into(),
        }
    }

    #[test]
    fn a_host_made_anew_is_not_known() {
        let line = known_line(&container("aaa"), "ssh-ed25519 AAAAC3 root@cp1\n").unwrap();
        assert_eq!(line, "cp1,10.9.8.11 ssh-ed25519 AAAAC3 aaa");
        let lines = vec![line.clone()];
        assert_eq!(line_of(&lines, &container("aaa")), Some(&line));
        assert_eq!(line_of(&lines, &container("bbb")), None);
        assert_eq!(known_line(&container("aaa"), "nonsense"), None);
    }

    #[test]
    fn files_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a/b");
        make_directory(&directory).unwrap();
        let file = directory.join("known_hosts");
        write_private(&file, "one\n").unwrap();
        write_private(&file, "two\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
    }

    #[test]
    fn only_an_ssh_server_counts() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answers = std::thread::spawn(move || {
            for greeting in [b"SSH-2.0-x\r\n".as_slice(), b"HTTP/1.1 400\r\n"] {
                server.accept().unwrap().0.write_all(greeting).unwrap();
            }
        });
        let timeout = Duration::from_secs(5);
        assert!(greets(address, timeout));
        assert!(!greets(address, timeout));
        answers.join().unwrap();
        assert!(!greets(address, timeout), "nobody listens any more");
    }
}
