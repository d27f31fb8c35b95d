//! Parses the command line, runs the command, maps its outcome to an exit code.

fn main() {}
