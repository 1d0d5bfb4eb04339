//! What is wrong with an impl, and where: all of it at once, as the compiler tells it.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// One mistake.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The code that is underlined.
    pub(crate) at: TokenStream,
    /// What was expected there.
    pub(crate) text: String,
}

/// All mistakes found, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) found: Vec<Fault>,
    /// Why the code is none that Rust knows.
    unread: Option<syn::Error>,
}

impl Faults {
    /// Adds one: `text` says what was expected, and `at` is underlined.
    pub(crate) fn add(&mut self, at: impl ToTokens, text: impl Into<String>) {
        self.found.push(Fault { at: at.into_token_stream(), text: text.into() });
    }

    /// Code that the parser could not read; it knows the place.
    pub(crate) fn unread(error: syn::Error) -> Self {
        Self { found: Vec::new(), unread: Some(error) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.unread.is_none()
    }

    pub(crate) fn into_errors(self) -> TokenStream {
        let found = self.found.into_iter().map(|fault| syn::Error::new_spanned(fault.at, fault.text));
        self.unread.into_iter().chain(found).map(syn::Error::into_compile_error).collect()
    }
}
