//! Throwaway hosts on a local container engine.
