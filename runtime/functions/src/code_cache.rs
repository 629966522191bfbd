//! Compiled code on disk, so that a restart does not compile everything again.
//!
//! ```text
//! <dir>/key                                    32 random bytes, readable by the broker's user only
//! <dir>/<module sha256>-<engine>.code          "TMCODE" | version u16 | HMAC-SHA256 | code as wasmtime serialised it
//! ```
//!
//! `<engine>` is a hash of wasmtime's version and of all settings that machine code depends on. The HMAC covers the
//! file's name and the code. Files that do not check out are compiled anew; nothing in this folder is precious.
//!
//! # Why loading this is safe
//!
//! Wasmtime runs whatever machine code it deserialises, so `Component::deserialize` is `unsafe` to call with bytes
//! that wasmtime did not write. What is passed to it here was read into memory once, carries a MAC made with the key in
//! this folder over exactly those bytes, and is deserialised from that memory, not from the file again. The key is
//! random and is written with owner-only permissions into an owner-only folder, so only someone who already acts as the
//! broker's user could make such a file, and for a broken disk or a half-written file the MAC does not match. Uploaded
//! bytes never come this way: they are compiled from WebAssembly.

use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"TMCODE\0\x01";
const MAC_BYTES: usize = 32;
/// Files kept; the ones used longest ago go first.
const MAX_FILES: usize = 256;

/// The folder.
pub(crate) struct CodeCache {
    dir: PathBuf,
    key: [u8; 32],
    engine_tag: String,
}

impl CodeCache {
    /// Opens the folder, makes its key if there is none, and throws out what is old.
    pub(crate) fn open(dir: &Path, engine: &Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = CodeCache {
            dir: dir.to_owned(),
            key: load_key(&dir.join("key"))?,
            engine_tag: format!("{:016x}", hasher.finish()),
        };
        cache.prune()?;
        Ok(cache)
    }

    /// Loads a module's compiled code, if it is there and whole.
    pub(crate) fn load(&self, engine: &Engine, sha256: &[u8; 32]) -> Option<Component> {
        let name = self.file_name(sha256);
        let file = fs::read(self.dir.join(&name)).ok()?;
        let code = self.verified(&name, &file)?;
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(file = name, %error, "compiled code cannot be used; compiling again");
                None
            }
        }
    }

    /// Keeps a module's compiled code.
    pub(crate) fn store(&self, component: &Component, sha256: &[u8; 32]) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let name = self.file_name(sha256);
        let temporary = self.dir.join(format!("{name}.tmp"));
        let mut file = owner_only(&temporary)?;
        file.write_all(MAGIC)?;
        file.write_all(&self.mac(&name, &code))?;
        file.write_all(&code)?;
        fs::rename(temporary, self.dir.join(name))
    }

    /// The code in a file, if its MAC says that this broker wrote it under this name.
    fn verified<'a>(&self, name: &str, file: &'a [u8]) -> Option<&'a [u8]> {
        let rest = file.strip_prefix(MAGIC)?;
        let (mac, code) = rest.split_at_checked(MAC_BYTES)?;
        let expected = self.mac(name, code);
        let difference = mac.iter().zip(&expected).fold(0, |all, (a, b)| all | (a ^ b));
        (difference == 0).then_some(code)
    }

    fn mac(&self, name: &str, code: &[u8]) -> [u8; MAC_BYTES] {
        hmac_sha256(&self.key, &[name.as_bytes(), &[0], code])
    }

    fn file_name(&self, sha256: &[u8; 32]) -> String {
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}-{}.code", self.engine_tag)
    }

    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let current = name.ends_with(&format!("-{}.code", self.engine_tag));
            if name.ends_with(".code.tmp") || (name.ends_with(".code") && !current) {
                fs::remove_file(entry.path())?;
            } else if current {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(MAX_FILES);
        files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

#[allow(
    unsafe_code,
    reason = "wasmtime offers no safe way to load compiled code; the module comment says why it is"
)]
fn deserialize(engine: &Engine, verified: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes carry this broker's MAC, so they are what `Component::serialize` returned to it; wasmtime
    // checks by itself that its version and settings are the same.
    unsafe { Component::deserialize(engine, verified) }
}

fn load_key(path: &Path) -> io::Result<[u8; 32]> {
    if let Some(key) = fs::read(path).ok().and_then(|bytes| bytes.try_into().ok()) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        return Ok(key);
    }
    let key: [u8; 32] = rand::random();
    owner_only(path)?.write_all(&key)?;
    Ok(key)
}

fn owner_only(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// RFC 2104, for keys of up to one block.
fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(padded(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new_with_prefix(padded(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        crate::engine::engine().unwrap()
    }

    #[test]
    fn the_mac_is_rfc_4231_s() {
        let mut key = [0u8; 32];
        key[..20].fill(0x0b);
        let mac = hmac_sha256(&key, &[b"Hi ", b"There"]);
        assert_eq!(mac[..4], [0xb0, 0x34, 0x4c, 0x61]);
    }

    #[test]
    fn code_is_found_again_only_as_it_was_stored() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine();
        let component = Component::new(&engine, COMPONENT).unwrap();
        let (sha, other) = ([1; 32], [2; 32]);
        let cache = CodeCache::open(dir.path(), &engine).unwrap();
        assert!(cache.load(&engine, &sha).is_none());
        cache.store(&component, &sha).unwrap();
        assert!(cache.load(&engine, &sha).is_some());

        // After a restart.
        let cache = CodeCache::open(dir.path(), &engine).unwrap();
        assert!(cache.load(&engine, &sha).is_some());

        // Under another module's name.
        let path = dir.path().join(cache.file_name(&sha));
        fs::copy(&path, dir.path().join(cache.file_name(&other))).unwrap();
        assert!(cache.load(&engine, &other).is_none());

        // Torn, flipped, made with another key.
        let whole = fs::read(&path).unwrap();
        for end in [0, 7, 20, whole.len() - 1] {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(cache.load(&engine, &sha).is_none());
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(cache.load(&engine, &sha).is_none());
        fs::write(&path, whole).unwrap();
        fs::remove_file(dir.path().join("key")).unwrap();
        assert!(CodeCache::open(dir.path(), &engine).unwrap().load(&engine, &sha).is_none());
    }

    #[test]
    fn the_folder_is_the_owner_s_alone_and_old_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("code");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("aa-0000000000000000.code"), b"old").unwrap();
        CodeCache::open(&inside, &engine()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inside), 0o700);
        assert_eq!(mode(&inside.join("key")), 0o600);
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 1);
    }
}
