//! What the compiler makes of the WIT files. One module per world; the worlds share their types.

#![allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

pub mod transform {
    wit_bindgen::generate!({
        path: "wit",
        world: "tidemill:function/transform",
        pub_export_macro: true,
        export_macro_name: "export_transform",
    });
}

pub mod sink {
    wit_bindgen::generate!({
        path: "wit",
        world: "tidemill:function/sink",
        pub_export_macro: true,
        export_macro_name: "export_sink",
        with: {
            "tidemill:function/types@0.1.0": crate::bindings::transform::tidemill::function::types,
            "tidemill:function/host@0.1.0": crate::bindings::transform::tidemill::function::host,
        },
        generate_all,
    });
}
