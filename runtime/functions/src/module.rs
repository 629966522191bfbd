//! A module, compiled and ready to be instantiated.

use crate::guest::Guest;
use crate::host::Shared;
use crate::wire;
use crate::{Error, Instance, InstanceOptions};
use std::fmt;
use std::sync::Arc;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Topic to topics.
    Transform,
    /// Topic to the outside world.
    Sink,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Transform => "transform",
            Kind::Sink => "sink",
        })
    }
}

/// What [`Host::inspect`](crate::Host::inspect) finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleInfo {
    /// What it is for.
    pub kind: Kind,
    /// The version of `tidemill:function` that it was built for.
    pub abi: String,
    /// The SHA-256 of the uploaded bytes.
    pub sha256: [u8; 32],
}

/// A compiled module. Cheap to clone; all clones, and all functions that use the module, share the code.
#[derive(Clone)]
pub struct Module {
    pub(crate) inner: Arc<Compiled>,
    pub(crate) host: Arc<Shared>,
}

pub(crate) struct Compiled {
    pub(crate) kind: Kind,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) process: ComponentExportIndex,
}

impl Module {
    /// What the module is for.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// A logical instance. It takes no memory until its first call, and none again after
    /// [`Instance::unload`] or a failure.
    pub fn instantiate(&self, options: InstanceOptions) -> Instance {
        Instance::new(self.clone(), options)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Links a component, which must be of this kind and version.
    pub(crate) fn link(
        component: &Component,
        linker: &Linker<Guest>,
        kind: Kind,
        abi: &str,
    ) -> Result<Self, Error> {
        let unfit = |error: &dyn fmt::Display| {
            Error::Module(format!("the module does not fit Tidemill's interface: {error}"))
        };
        let pre = linker.instantiate_pre(component).map_err(|error| unfit(&format!("{error:#}")))?;
        let interface = match kind {
            Kind::Transform => wire::TRANSFORM,
            Kind::Sink => wire::SINK,
        };
        let interface = format!("{interface}@{abi}");
        let process = component
            .get_export_index(None, &interface)
            .and_then(|instance| component.get_export_index(Some(&instance), wire::PROCESS))
            .ok_or_else(|| unfit(&format!("{interface} has no `{}`", wire::PROCESS)))?;
        Ok(Compiled { kind, pre, process })
    }
}
