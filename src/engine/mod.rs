//! Runs a plan: graph, limits, cancellation, lock, journal.
