//! End to end on lab hosts: real SSH, systemd, containerd, haproxy and keepalived. Run by `tests/run.sh`.

mod check;
mod killed;
mod limit;
mod main_job;
mod nodes_in;
mod nodes_out;
mod reset;
mod secrets;
mod services;
mod settings;
mod status;
mod verify;
mod wrong;
