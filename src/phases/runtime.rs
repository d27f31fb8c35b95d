//! containerd and its registries.

use super::Context;
use crate::resources::Resource;

pub(super) fn resources(_context: &Context<'_>) -> Vec<Resource> {
    Vec::new()
}
