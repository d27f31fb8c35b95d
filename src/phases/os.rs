//! Packages, kernel modules, sysctls, swap, time and name resolution.

use super::Context;
use crate::resources::Resource;

pub(super) fn resources(_context: &Context<'_>) -> Vec<Resource> {
    Vec::new()
}
