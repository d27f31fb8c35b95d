//! A stand-in for Kubernetes: a test double for lab hosts without internet.

fn main() {}
