//! Versions, checksums, defaults and compatibility rules: data with a thin reader.
