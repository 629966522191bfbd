//! Uploaded WebAssembly modules, named by what is in them.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::backend::blocking;
use crate::error::Error;
use crate::layout::module_path;

/// No module may be larger.
pub const MAX_MODULE_BYTES: u64 = 256 << 20;

impl Archive {
    /// Stores a module. Returns its SHA-256 in hexadecimal, by which it is found again.
    pub async fn put_module(&self, bytes: Bytes) -> Result<String, Error> {
        let (bytes, sha256) = hashed(bytes).await?;
        let path = module_path(&sha256);
        if bytes.len() as u64 > MAX_MODULE_BYTES {
            return Err(Error::TooLarge { path, bytes: bytes.len() as u64, limit: MAX_MODULE_BYTES });
        }
        match self.backend().put_new(&path, bytes).await {
            // Its name says that it is the same one.
            Ok(()) | Err(Error::AlreadyExists(_)) => Ok(sha256),
            Err(error) => Err(error),
        }
    }

    /// Reads a module and checks that it is the one that was asked for.
    pub async fn get_module(&self, sha256: &str) -> Result<Bytes, Error> {
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::NotFound(format!("module {sha256}")));
        }
        let path = module_path(&sha256.to_ascii_lowercase());
        let (bytes, found) = hashed(self.get_small(&path, MAX_MODULE_BYTES).await?).await?;
        if !found.eq_ignore_ascii_case(sha256) {
            return Err(Error::Corrupt { path, reason: "its content has another hash".to_owned() });
        }
        Ok(bytes)
    }
}

/// Bytes with their SHA-256 in hexadecimal, computed off the network threads.
async fn hashed(bytes: Bytes) -> Result<(Bytes, String), Error> {
    blocking(move || {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((bytes, sha256))
    })
    .await
}
