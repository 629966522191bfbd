//! The function's log, which `tidemill function logs` shows.

use crate::host;
use std::fmt;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something looks wrong.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For whoever looks into a problem.
    Debug,
    /// Every step.
    Trace,
}

/// Writes a line to the function's log. [`info!`](crate::info) and its siblings are shorter.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(message) => host::log(level, message),
        None => host::log(level, &message.to_string()),
    }
}

/// Logs an error, with `format!`'s arguments.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::log($crate::Level::Error, ::std::format_args!($($arg)+)) };
}

/// Logs a warning, with `format!`'s arguments.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::log($crate::Level::Warn, ::std::format_args!($($arg)+)) };
}

/// Logs what is worth knowing, with `format!`'s arguments.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::log($crate::Level::Info, ::std::format_args!($($arg)+)) };
}

/// Logs what helps to look into a problem, with `format!`'s arguments.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::log($crate::Level::Debug, ::std::format_args!($($arg)+)) };
}

/// Logs a step, with `format!`'s arguments.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)+) => { $crate::log($crate::Level::Trace, ::std::format_args!($($arg)+)) };
}
