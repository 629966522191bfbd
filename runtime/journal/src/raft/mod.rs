//! Everything that knows openraft 0.9. Nothing of it leaves this module.

mod log_store;
mod network;
mod node;
mod state_machine;
mod types;
mod wire;

pub(crate) use node::{Node, NodeParts};
pub(crate) use wire::{WireMembership, decode_membership, encode_membership};
