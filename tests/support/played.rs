//! A host whose programs are played by lines of shell: scripts run where this machine must not be changed.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use baremetal::remote::Script;

use super::Run;

/// A host whose programs are played by lines of shell.
pub struct Host {
    directory: tempfile::TempDir,
}

impl Host {
    pub fn new(programs: &[(&str, &str)]) -> Self {
        let host = Self {
            directory: tempfile::tempdir().expect("the host's directory can be written"),
        };
        fs::create_dir(host.path("bin")).expect("the host's directory can be written");
        for (name, body) in programs {
            let path = host.path("bin").join(name);
            let home = host.directory.path().display();
            fs::write(&path, format!("#!/bin/sh\nhome={home}\n{body}\n"))
                .expect("the host's directory can be written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).expect("the host's directory can be written");
        }
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs a script with places of the host's own instead of the machine's.
    pub fn run(&self, script: &Script, places: &[&str]) -> Run {
        let home = self.directory.path().display().to_string();
        let mut body = script.body.replace(
            "PATH=/usr/local/sbin",
            &format!("PATH={home}/bin:/usr/local/sbin"),
        );
        for place in places {
            assert!(body.contains(place), "{place}");
            body = body.replace(place, &format!("{home}{place}"));
        }
        let private = self.path("private");
        fs::remove_dir_all(&private).ok();
        fs::create_dir(&private).expect("the host's directory can be written");
        for attachment in &script.attachments {
            fs::write(private.join(&attachment.name), &attachment.content)
                .expect("the host's directory can be written");
        }
        fs::write(private.join(".run"), body).expect("the host's directory can be written");
        super::run(
            Command::new("sh")
                .arg(private.join(".run"))
                .args(&script.args)
                .env("BM", &private)
                .stdin(Stdio::null()),
        )
    }
}
