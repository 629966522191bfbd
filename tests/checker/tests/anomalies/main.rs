//! The checks against histories made by hand: each anomaly is found, and nothing is found where
//! nothing is wrong.
#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod found;
mod legal;
mod story;
