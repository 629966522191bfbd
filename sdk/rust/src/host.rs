//! The way to the broker: bindings in a module, a stand-in of this thread's own in a native test.

#[cfg(target_arch = "wasm32")]
pub(crate) use guest::{config, config_all, log};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{config, config_all, log};

#[cfg(target_arch = "wasm32")]
mod guest {
    use crate::bindings::transform::tidemill::function::host;
    use crate::Level;

    pub(crate) fn log(level: Level, message: &str) {
        let level = match level {
            Level::Error => host::Level::Error,
            Level::Warn => host::Level::Warn,
            Level::Info => host::Level::Info,
            Level::Debug => host::Level::Debug,
            Level::Trace => host::Level::Trace,
        };
        host::log(level, message);
    }

    pub(crate) fn config(key: &str) -> Option<String> {
        host::config_get(key)
    }

    pub(crate) fn config_all() -> Vec<(String, String)> {
        host::config_all()
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native {
    use crate::http::{Request, Response};
    use crate::{Error, Level};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    type Responder = Box<dyn FnMut(&Request<'_>) -> Result<Response, Error>>;

    /// The broker, as far as a test on this thread needs one.
    #[derive(Default)]
    pub(crate) struct StandIn {
        pub config: BTreeMap<String, String>,
        pub logs: Vec<(Level, String)>,
        pub responder: Option<Responder>,
    }

    thread_local! {
        static STAND_IN: RefCell<StandIn> = RefCell::default();
    }

    pub(crate) fn stand_in<T>(with: impl FnOnce(&mut StandIn) -> T) -> T {
        STAND_IN.with(|stand_in| with(&mut stand_in.borrow_mut()))
    }

    pub(crate) fn log(level: Level, message: &str) {
        stand_in(|stand_in| stand_in.logs.push((level, message.to_owned())));
    }

    pub(crate) fn config(key: &str) -> Option<String> {
        stand_in(|stand_in| stand_in.config.get(key).cloned())
    }

    pub(crate) fn config_all() -> Vec<(String, String)> {
        stand_in(|stand_in| stand_in.config.clone().into_iter().collect())
    }

    pub(crate) fn send(request: &Request<'_>) -> Result<Response, Error> {
        // The responder may itself log or read the config, so it is not called under the borrow.
        let Some(mut responder) = stand_in(|stand_in| stand_in.responder.take()) else {
            return Err(Error::new(format!(
                "nothing answers {} {}: a test says what does with `testing::respond`",
                request.method(),
                request.url()
            )));
        };
        let response = responder(request);
        stand_in(|stand_in| {
            stand_in.responder.get_or_insert(responder);
        });
        response
    }
}
