//! The code that is generated: what somebody would have written by hand.
//!
//! Whatever it names is named in full, by what `callboard` exports. Variables that users did not name can't clash with theirs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ItemImpl;
use syn::spanned::Spanned;

use crate::block::{Block, timed};
use crate::method::{Answer, Method, Passed};

/// All of it, and the impl itself.
pub(crate) fn all(block: &Block, rest: ItemImpl) -> TokenStream {
    let (message, dispatch, handle) = (message(block), dispatch(block), handle(block));
    let actor = actor(block);
    quote!(#rest #message #dispatch #handle #actor)
}

/// Lints that are about code which somebody has written.
fn lints() -> TokenStream {
    quote!(#[allow(dead_code, missing_docs, rustdoc::broken_intra_doc_links, clippy::all, clippy::pedantic)])
}

/// The enum, one variant for each method.
fn message(block: &Block) -> TokenStream {
    let Block { visibility, name, message, methods, .. } = block;
    let variants = methods.iter().map(|method| {
        let Method { variant, docs, cfgs, fields, .. } = method;
        let fields = fields.iter().map(|field| {
            let (name, of, attributes) = (&field.name, &field.of, &field.attributes);
            quote!(#(#attributes)* #name: #of)
        });
        // In the place of its type, so that what is wrong with that is told there.
        let reply =
            method.reply().map(|(name, of)| quote_spanned!(told_at(of)=> #name: ::callboard::ReplyTo<#of>));
        let fields: Vec<_> = fields.chain(reply).collect();
        let fields = (!fields.is_empty()).then(|| quote!({ #(#fields),* }));
        quote!(#(#cfgs)* #(#docs)* #variant #fields)
    });
    let (lints, about) =
        (lints(), format!("What a `{name}` can be told and asked: a message for each of its methods."));
    quote! {
        #[doc = #about]
        #lints
        #[derive(::callboard::generated::serde::Serialize, ::callboard::generated::serde::Deserialize)]
        #[serde(crate = "::callboard::generated::serde")]
        #visibility enum #message { #(#variants),* }
    }
}

/// The function that takes a message apart.
fn dispatch(block: &Block) -> TokenStream {
    let Block { visibility, actor, message, methods, .. } = block;
    let (context, received) = (own("context"), own("message"));
    let arms = methods.iter().map(|method| {
        let Method { variant, cfgs, .. } = method;
        let (pattern, act) = (pattern(method), act(method, &context));
        quote!(#(#cfgs)* #message::#variant #pattern => #act)
    });
    let lints = lints();
    quote! {
        impl #actor {
            /// Handles a message by the method that it is named for; what `Actor::handle` does.
            ///
            /// # Errors
            ///
            /// Those that end the actor: of methods that answer nothing, and of answers that can't be encoded.
            #lints
            #[allow(unused_variables)]
            #visibility fn dispatch(
                &mut self,
                #context: &mut ::callboard::Context<#message>,
                #received: #message,
            ) -> ::core::result::Result<(), ::callboard::Failure> {
                match #received { #(#arms)* }
                ::core::result::Result::Ok(())
            }
        }
    }
}

/// The fields of a message, in a pattern or an expression.
fn pattern(method: &Method) -> Option<TokenStream> {
    let fields = method.fields.iter().map(|field| field.name.clone());
    let fields: Vec<_> = fields.chain(method.reply().map(|(name, _)| name)).collect();
    (!fields.is_empty()).then(|| quote!({ #(#fields),* }))
}

/// What is done with a message once its fields are variables. What does not fit is told at the types in the method's head.
fn act(method: &Method, context: &Ident) -> TokenStream {
    let Method { name, passed, answer, fails, .. } = method;
    let reply = method.reply().map(|(name, _)| name);
    let passed = passed.iter().map(|passed| match passed {
        Passed::Context(at) => {
            let mut context = context.clone();
            context.set_span(context.span().located_at(*at));
            quote!(#context)
        }
        Passed::Field(name) => quote!(#name),
        Passed::Reply => quote!(#reply),
    });
    let call = quote!(Self::#name(self, #(#passed),*));
    match (answer, fails) {
        // Its type is said so that nothing but an error can come of it.
        (_, Some(of)) => quote_spanned!(told_at(of)=> { let (): () = #call?; }),
        (Answer::Returned(of), None) => quote_spanned!(told_at(of)=> { #reply.send(#call)?; }),
        (Answer::Nothing | Answer::Later(..), None) => quote!({ #call; }),
    }
}

/// Code that is as if it stood at the attribute, but whose errors are told at `place`.
fn told_at(place: &TokenStream) -> Span {
    Span::call_site().located_at(place.span())
}

/// The trait that sends them, and its impl for references.
fn handle(block: &Block) -> TokenStream {
    let Block { visibility, name, message, handle, methods, .. } = block;
    let (declared, written): (Vec<_>, Vec<_>) = methods.iter().map(|method| sender(method, message)).unzip();
    let about =
        format!("Sends the messages of a `{name}`, by a method for each: an `ActorRef<{message}>` does.");
    let lints = lints();
    quote! {
        #[doc = #about]
        #lints
        #visibility trait #handle { #(#declared)* }
        #lints
        impl #handle for ::callboard::ActorRef<#message> { #(#written)* }
    }
}

/// The two methods of a handle that send one message: declared, and written.
fn sender(method: &Method, message: &Ident) -> (TokenStream, TokenStream) {
    let Method { name, variant, docs, cfgs, fields, .. } = method;
    let arguments: Vec<_> =
        fields.iter().map(|field| (&field.name, &field.of)).map(|(name, of)| quote!(#name: #of)).collect();
    let (timed, timeout, pattern) = (timed(name), own("timeout"), pattern(method));
    let (returns, verb, verb_within, made) = match method.reply() {
        None => (
            quote!(::core::result::Result<(), ::callboard::CastError<#message>>),
            quote!(cast),
            quote!(cast_timeout),
            quote!(#message::#variant #pattern),
        ),
        Some((reply, of)) => (
            quote!(::core::result::Result<#of, ::callboard::AskError>),
            quote!(call),
            quote!(call_timeout),
            quote!(|#reply| #message::#variant #pattern),
        ),
    };
    let waits = if method.is_call() {
        "A call: waits for the answer, as long as that takes."
    } else {
        "A cast: waits for room in the mailbox, and not for an answer."
    };
    let errors = format!("As those of `ActorRef::{verb}`.");
    let errors_within = format!("As those of `ActorRef::{verb_within}`.");
    let within = format!("As [`{name}`](Self::{name}), waiting up to `timeout`.");
    let declared = quote! {
        #(#cfgs)* #(#docs)*
        #[doc = ""]
        #[doc = #waits]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = ""]
        #[doc = #errors]
        fn #name(&self, #(#arguments),*) -> #returns;
        #(#cfgs)*
        #[doc = #within]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = ""]
        #[doc = #errors_within]
        fn #timed(&self, #(#arguments,)* #timeout: ::core::time::Duration) -> #returns;
    };
    let written = quote! {
        #(#cfgs)*
        fn #name(&self, #(#arguments),*) -> #returns {
            ::callboard::ActorRef::#verb(self, #made)
        }
        #(#cfgs)*
        fn #timed(&self, #(#arguments,)* #timeout: ::core::time::Duration) -> #returns {
            ::callboard::ActorRef::#verb_within(self, #made, #timeout)
        }
    };
    (declared, written)
}

/// `impl Actor`, if the impl said how the actor starts.
fn actor(block: &Block) -> Option<TokenStream> {
    let Block { actor, message, life, .. } = block;
    let life = life.as_ref()?;
    let (args, functions) = (&life.args, &life.functions);
    let (context, received) = (own("context"), own("message"));
    Some(quote! {
        impl ::callboard::Actor for #actor {
            type Message = #message;
            type Args = #args;
            #(#functions)*
            fn handle(
                &mut self,
                #context: &mut ::callboard::Context<#message>,
                #received: #message,
            ) -> ::core::result::Result<(), ::callboard::Failure> {
                Self::dispatch(self, #context, #received)
            }
        }
    })
}

/// A variable of this crate.
fn own(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
