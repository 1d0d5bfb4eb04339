//! What `callboard` writes for its users at compile time: the messages of an actor, from its methods.
//!
//! Users name it as `callboard::messages`, where it is described. `block` reads an impl, `method` one of its methods; both say all that
//! is wrong (`fault`) before anything is written. `write` makes the code, which is what somebody would have written by hand: it names
//! only what `callboard` exports.

mod block;
mod fault;
mod method;
mod write;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, Visibility};

use self::block::Block;
use self::fault::Faults;

/// Makes messages of an actor's methods: their enum, the function that takes one apart, and a handle that sends them.
#[proc_macro_attribute]
pub fn messages(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    match expand(arguments.into(), item.into()) {
        Ok(code) => code.into(),
        Err((rest, faults)) => {
            let errors = faults.into_errors();
            quote!(#rest #errors).into()
        }
    }
}

/// The code for an impl; or what is wrong with it, and what is left to compile, so that one mistake is not told twice.
fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, (TokenStream, Faults)> {
    let mut faults = Faults::default();
    let visibility = syn::parse2::<Visibility>(arguments.clone()).unwrap_or_else(|_| {
        faults.add(
            &arguments,
            "expected who may use the message and the handle, as `pub` or `pub(crate)`, or nothing",
        );
        Visibility::Inherited
    });
    let mut item = match syn::parse2::<Item>(item) {
        Ok(Item::Impl(item)) => item,
        Ok(other) => {
            faults.add(&other, "expected an impl of the actor's type, whose methods become its messages");
            return Err((other.into_token_stream(), faults));
        }
        Err(error) => return Err((TokenStream::new(), Faults::unread(error))),
    };
    match Block::read(&mut item, visibility, &mut faults) {
        Some(block) if faults.is_empty() => Ok(write::all(&block, item)),
        _ => Err((item.into_token_stream(), faults)),
    }
}
