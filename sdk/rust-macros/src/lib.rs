//! The attribute macros of the Tidemill SDK; use them through `tidemill_sdk`.
//!
//! A macro leaves the function as it is, so that tests call it like any other, checks its signature with a plain
//! function pointer, so that errors are the compiler's own, and on wasm32 adds the component's export.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, ItemFn};

/// Makes a function the module's transform: `fn(Batch<'_>, &mut Output) -> Result<(), Error>`.
#[proc_macro_attribute]
pub fn transform(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(&arguments.into(), item.into(), "transform", 2)
}

/// Makes a function the module's sink: `fn(Batch<'_>) -> Result<(), Error>`.
#[proc_macro_attribute]
pub fn sink(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(&arguments.into(), item.into(), "sink", 1)
}

fn expand(
    arguments: &TokenStream,
    item: TokenStream,
    kind: &str,
    parameters: usize,
) -> proc_macro::TokenStream {
    let exported = checked(arguments, &item, kind, parameters).map(|name| export(&name, kind));
    let rest = exported.unwrap_or_else(|error| error.to_compile_error());
    quote!(#item #rest).into()
}

/// The function's name, if it can be exported.
fn checked(
    arguments: &TokenStream,
    item: &TokenStream,
    kind: &str,
    parameters: usize,
) -> Result<Ident, Error> {
    let function: ItemFn = syn::parse2(item.clone())?;
    let signature = function.sig;
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, format!("#[{kind}] takes no arguments")));
    }
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new_spanned(asyncness, format!("a {kind} is a plain function, not async")));
    }
    if signature.inputs.len() != parameters {
        let expected = match kind {
            "transform" => "fn(Batch<'_>, &mut Output) -> Result<(), Error>",
            _ => "fn(Batch<'_>) -> Result<(), Error>",
        };
        return Err(Error::new_spanned(&signature, format!("a {kind} is `{expected}`")));
    }
    Ok(signature.ident)
}

fn export(function: &Ident, kind: &str) -> TokenStream {
    let check = format_ident!("check_{kind}");
    let macro_name = format_ident!("__export_{kind}");
    quote! {
        const _: () = ::tidemill_sdk::__private::#check(#function);
        #[cfg(target_arch = "wasm32")]
        ::tidemill_sdk::#macro_name!(#function);
    }
}
