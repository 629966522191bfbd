//! What a module is, without compiling it.

use crate::wire::{ABI, SINK, TRANSFORM};
use crate::{Error, Kind, ModuleInfo};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use wasmparser::{Encoding, Parser, Payload, Validator};

/// Imports that a module may have: prefixes of their names.
const OFFERED: [&str; 8] = [
    "tidemill:function/",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Says what a module is, or why it is none.
pub(crate) fn inspect(module: &[u8], max_bytes: usize) -> Result<ModuleInfo, Error> {
    if module.len() > max_bytes {
        return Err(wrong(format!("the module has {} bytes; the limit is {max_bytes}", module.len())));
    }
    let component = to_component(module)?;
    let names =
        Names::read(&component).map_err(|error| wrong(format!("the component is broken: {error}")))?;
    let (kind, version) = names.kind()?;
    names.check_imports(kind)?;
    Ok(ModuleInfo { kind, abi: version, sha256: Sha256::digest(module).into() })
}

/// The module as a component: as it is if it is one, else encoded from a core module and the type it carries.
pub(crate) fn to_component(module: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match encoding(module)? {
        Encoding::Component => Ok(Cow::Borrowed(module)),
        Encoding::Module => encode(module).map(Cow::Owned),
    }
}

fn encoding(module: &[u8]) -> Result<Encoding, Error> {
    match Parser::new(0).parse_all(module).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        _ => Err(wrong("this is no WebAssembly: a .wasm file begins with the bytes 00 61 73 6d")),
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, Error> {
    let mut has_type = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| wrong(format!("the module is broken: {error}")))? {
            Payload::CustomSection(section) => has_type |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| wrong(format!("the module is broken: {error}")))?;
                    if import.module == "wasi_snapshot_preview1" {
                        return Err(wrong(
                            "this is a core module for WASI preview 1; build for the target wasm32-wasip2 instead",
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    if !has_type {
        return Err(wrong(
            "this is a core module that does not say what it implements; \
             build a component (target wasm32-wasip2) or embed a component type",
        ));
    }
    let broken = |error: &dyn std::fmt::Display| {
        wrong(format!("the core module does not fit its component type: {error}"))
    };
    // Validated first: the encoder relies on it.
    Validator::new().validate_all(module).map_err(|error| broken(&error))?;
    let encoded = std::panic::catch_unwind(|| {
        wit_component::ComponentEncoder::default().module(module)?.validate(true).encode()
    });
    // The encoder is made for a compiler's output; of a hostile type section it may make anything.
    let encoded = encoded.map_err(|_| broken(&"the component type makes no sense"))?;
    encoded.map_err(|error| broken(&format!("{error:#}")))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::Module(message.into())
}

/// Names of what a component imports and exports itself.
#[derive(Debug, Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Names {
    fn read(component: &[u8]) -> wasmparser::Result<Self> {
        let mut names = Names::default();
        let mut nesting = 0usize;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => nesting += 1,
                Payload::End(_) => nesting = nesting.saturating_sub(1),
                Payload::ComponentImportSection(section) if nesting == 0 => {
                    for import in section {
                        names.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if nesting == 0 => {
                    for export in section {
                        names.exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }

    /// The kind of function, and the export's version.
    fn kind(&self) -> Result<(Kind, String), Error> {
        let find = |interface: &str| {
            self.exports.iter().find_map(|name| name.strip_prefix(interface)?.strip_prefix('@'))
        };
        let (kind, version) = match (find(TRANSFORM), find(SINK)) {
            (Some(version), None) => (Kind::Transform, version),
            (None, Some(version)) => (Kind::Sink, version),
            (Some(_), Some(_)) => {
                return Err(wrong("the module is both a transform and a sink: build two modules"));
            }
            (None, None) => {
                let exports =
                    if self.exports.is_empty() { "nothing".to_owned() } else { self.exports.join(", ") };
                return Err(wrong(format!(
                    "the component is no Tidemill function: it exports {exports}, and neither {TRANSFORM} nor {SINK}"
                )));
            }
        };
        check_version(version)?;
        Ok((kind, version.to_owned()))
    }

    fn check_imports(&self, kind: Kind) -> Result<(), Error> {
        for name in &self.imports {
            if !OFFERED.iter().any(|offered| name.starts_with(offered)) {
                return Err(wrong(format!("the module imports {name}, which Tidemill does not have")));
            }
            if kind == Kind::Transform && name.starts_with("wasi:http/") {
                return Err(wrong(format!(
                    "the module imports {name}, and only sinks may make HTTP requests"
                )));
            }
        }
        Ok(())
    }
}

/// Before 1.0 the minor version is the one that breaks.
fn check_version(version: &str) -> Result<(), Error> {
    let (major, minor, _) = ABI;
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u64>);
    let compatible = numbers.next() == Some(Ok(major)) && numbers.next() == Some(Ok(minor));
    match compatible {
        true => Ok(()),
        false => Err(wrong(format!(
            "the module is built for version {version} of tidemill:function; this broker runs {major}.{minor}.x"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(module: &[u8]) -> String {
        inspect(module, 1000).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_module_is_refused_with_a_reason() {
        let empty_module = b"\0asm\x01\0\0\0";
        let empty_component = b"\0asm\x0d\0\x01\0";
        assert!(message(b"").contains("no WebAssembly"));
        assert!(message(b"hello").contains("no WebAssembly"));
        assert!(message(empty_module).contains("does not say what it implements"));
        assert!(message(empty_component).contains("it exports nothing"));
        assert!(message(&[0; 1001]).contains("1001 bytes; the limit is 1000"));
    }

    #[test]
    fn versions_are_compatible_within_a_minor_one() {
        assert!(check_version("0.1.0").is_ok());
        assert!(check_version("0.1.7").is_ok());
        for other in ["0.2.0", "1.1.0", "0", "", "x.1"] {
            assert!(check_version(other).is_err(), "{other}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        #[test]
        fn anything_may_be_uploaded(component: bool, mut bytes: Vec<u8>) {
            let header: &[u8] = if component { b"\0asm\x0d\0\x01\0" } else { b"\0asm\x01\0\0\0" };
            bytes.splice(0..0, header.iter().copied());
            proptest::prop_assert!(inspect(&bytes, 1 << 20).is_err());
        }
    }
}
