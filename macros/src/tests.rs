//! What is written for an impl; and, in `refused`, what is said of one for which nothing is.

mod refused;

use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{ImplItem, Item, Type, Visibility};

use crate::block::{LIFE, OF_REFERENCES};
use crate::expand;

/// The code for `item`, without documentation and lints.
fn written(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let code = expand(arguments, item).unwrap_or_else(|(_, faults)| panic!("{faults:?}"));
    plain(code)
}

/// Without documentation and lints.
fn plain(code: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = Vec::new();
    for token in code {
        match token {
            TokenTree::Group(group) => {
                let begins = group.stream().into_iter().next().map(|first| first.to_string());
                let is_mark = tokens.last().is_some_and(|last| last.to_string() == "#");
                if is_mark && begins.is_some_and(|first| first == "doc" || first == "allow") {
                    tokens.pop();
                } else {
                    let inner = plain(group.stream());
                    tokens.push(proc_macro2::Group::new(group.delimiter(), inner).into());
                }
            }
            token => tokens.push(token),
        }
    }
    tokens.into_iter().collect()
}

/// Whether the code is that, token by token.
#[track_caller]
fn same(code: &TokenStream, expected: &TokenStream) {
    let lines = |code: &TokenStream| code.to_string().replace(' ', "").replace([';', '{', '}'], "\n");
    let (code, expected) = (lines(code), lines(expected));
    for (line, wanted) in code.lines().zip(expected.lines()) {
        assert_eq!(line, wanted, "in\n{code}");
    }
    assert_eq!(code, expected);
}

#[test]
fn methods_become_an_enum_a_dispatch_and_a_handle() {
    let code = written(
        quote!(pub(crate)),
        quote! {
            impl Counter {
                fn add_all(&mut self, mut by: Vec<u64>) { self.0 += 1; }
                fn get(&self) -> u64 { self.0 }
            }
        },
    );
    let expected = quote! {
        impl Counter {
            fn add_all(&mut self, mut by: Vec<u64>) { self.0 += 1; }
            fn get(&self) -> u64 { self.0 }
        }
        #[derive(::callboard::generated::serde::Serialize, ::callboard::generated::serde::Deserialize)]
        #[serde(crate = "::callboard::generated::serde")]
        pub(crate) enum CounterMessage {
            AddAll { by: Vec<u64> },
            Get { reply: ::callboard::ReplyTo<u64> }
        }
        impl Counter {
            pub(crate) fn dispatch(
                &mut self,
                context: &mut ::callboard::Context<CounterMessage>,
                message: CounterMessage,
            ) -> ::core::result::Result<(), ::callboard::Failure> {
                match message {
                    CounterMessage::AddAll { by } => { Self::add_all(self, by); }
                    CounterMessage::Get { reply } => { reply.send(Self::get(self,))?; }
                }
                ::core::result::Result::Ok(())
            }
        }
        pub(crate) trait CounterHandle {
            fn add_all(&self, by: Vec<u64>) -> ::core::result::Result<(), ::callboard::CastError<CounterMessage>>;
            fn add_all_timeout(&self, by: Vec<u64>, timeout: ::core::time::Duration)
            -> ::core::result::Result<(), ::callboard::CastError<CounterMessage>>;
            fn get(&self,) -> ::core::result::Result<u64, ::callboard::AskError>;
            fn get_timeout(&self, timeout: ::core::time::Duration) -> ::core::result::Result<u64, ::callboard::AskError>;
        }
        impl CounterHandle for ::callboard::ActorRef<CounterMessage> {
            fn add_all(&self, by: Vec<u64>) -> ::core::result::Result<(), ::callboard::CastError<CounterMessage>> {
                ::callboard::ActorRef::cast(self, CounterMessage::AddAll { by })
            }
            fn add_all_timeout(&self, by: Vec<u64>, timeout: ::core::time::Duration)
            -> ::core::result::Result<(), ::callboard::CastError<CounterMessage>> {
                ::callboard::ActorRef::cast_timeout(self, CounterMessage::AddAll { by }, timeout)
            }
            fn get(&self,) -> ::core::result::Result<u64, ::callboard::AskError> {
                ::callboard::ActorRef::call(self, |reply| CounterMessage::Get { reply })
            }
            fn get_timeout(&self, timeout: ::core::time::Duration) -> ::core::result::Result<u64, ::callboard::AskError> {
                ::callboard::ActorRef::call_timeout(self, |reply| CounterMessage::Get { reply }, timeout)
            }
        }
    };
    same(&code, &expected);
}

/// The arms of `dispatch`, and the variants.
fn arms_and_variants(item: TokenStream) -> (TokenStream, TokenStream) {
    let file: syn::File = syn::parse2(written(TokenStream::new(), item)).unwrap();
    let variants = file.items.iter().find_map(|item| match item {
        Item::Enum(item) => Some(&item.variants),
        _ => None,
    });
    let dispatch = file.items.iter().rev().find_map(|item| match item {
        Item::Impl(item) if item.trait_.is_none() => item.items.last(),
        _ => None,
    });
    let Some(ImplItem::Fn(dispatch)) = dispatch else { panic!("there is no dispatch") };
    let syn::Stmt::Expr(syn::Expr::Match(matches), _) = &dispatch.block.stmts[0] else {
        panic!("it does not begin with its match")
    };
    (matches.arms.iter().map(|arm| quote!(#arm)).collect(), quote!(#variants))
}

#[test]
fn contexts_rights_to_reply_and_errors_go_where_they_belong() {
    let (arms, variants) = arms_and_variants(quote! {
        impl Counter {
            #[cast]
            fn store(&mut self, path: PathBuf, _: &mut Context<CounterMessage>) -> Result<(), io::Error> { Ok(()) }
            fn wait_for(&mut self, answer: ReplyTo<Vec<Self>>, least: u64) { drop(answer); }
            fn try_now(&mut self, to: callboard::ReplyTo<u64>) -> Result<(), Failure> { Ok(to.send(1)?) }
            fn reset(&mut self) -> () {}
            #[cfg(unix)]
            fn r#match(&mut self, #[serde(with = "serde_bytes")] r#type: Vec<u8>) -> Result<Self, String> { todo() }
        }
    });
    let expected = quote! {
        CounterMessage::Store { path } => { let (): () = Self::store(self, path, context)?; }
        CounterMessage::WaitFor { least, answer } => { Self::wait_for(self, answer, least); }
        CounterMessage::TryNow { to } => { let (): () = Self::try_now(self, to)?; }
        CounterMessage::Reset => { Self::reset(self,); }
        #[cfg(unix)]
        CounterMessage::Match { r#type, reply } => { reply.send(Self::r#match(self, r#type))?; }
    };
    same(&arms, &expected);
    let expected = quote! {
        Store { path: PathBuf },
        WaitFor { least: u64, answer: ::callboard::ReplyTo<Vec<Counter>> },
        TryNow { to: ::callboard::ReplyTo<u64> },
        Reset,
        #[cfg(unix)]
        Match { #[serde(with = "serde_bytes")] r#type: Vec<u8>, reply: ::callboard::ReplyTo<Result<Counter, String>> }
    };
    same(&variants, &expected);
}

#[test]
fn what_is_for_the_attribute_alone_is_not_left_in_the_impl() {
    let code = written(
        TokenStream::new(),
        quote!(impl Counter { #[cast] fn f(&self, #[serde(default)] #[allow(unused)] by: u64) -> Result<(), E> {} }),
    );
    let rest = quote!(impl Counter { fn f(&self, by: u64) -> Result<(), E> {} });
    assert!(code.to_string().starts_with(&rest.to_string()), "{code}");
}

#[test]
fn an_impl_that_says_how_it_starts_is_the_whole_actor() {
    let code = written(
        TokenStream::new(),
        quote! {
            impl Counter {
                const MOST: u64 = 7;
                fn new() -> Self { Self(0) }
                pub fn start(_: &mut Context<CounterMessage>, (from, to): (u64, u64)) -> Result<Self, Failure> { Ok(Self::new()) }
                fn get(&self) -> u64 { self.0 }
                fn stopped(&mut self, _: &mut Context<CounterMessage>, exit: &Exit) {}
            }
        },
    );
    let rest = quote! {
        impl Counter {
            const MOST: u64 = 7;
            fn new() -> Self { Self(0) }
            fn get(&self) -> u64 { self.0 }
        }
    };
    let actor = quote! {
        impl ::callboard::Actor for Counter {
            type Message = CounterMessage;
            type Args = (u64, u64);
            fn start(_: &mut Context<CounterMessage>, (from, to): (u64, u64)) -> Result<Self, Failure> { Ok(Self::new()) }
            fn stopped(&mut self, _: &mut Context<CounterMessage>, exit: &Exit) {}
            fn handle(
                &mut self,
                context: &mut ::callboard::Context<CounterMessage>,
                message: CounterMessage,
            ) -> ::core::result::Result<(), ::callboard::Failure> {
                Self::dispatch(self, context, message)
            }
        }
    };
    let code = code.to_string();
    assert!(code.starts_with(&rest.to_string()), "{code}");
    assert!(code.ends_with(&actor.to_string()), "{code}");
}

#[test]
fn documentation_is_carried_to_the_variant_and_to_the_handle() {
    let code = expand(
        quote!(pub),
        quote!(impl Counter { #[doc = " Says how many."] pub fn get(&self) -> u64 { 1 } }),
    )
    .unwrap();
    let code = code.to_string();
    assert_eq!(code.matches("Says how many.").count(), 3, "the method, the variant, the handle: {code}");
    assert!(code.contains("pub enum CounterMessage") && code.contains("pub trait CounterHandle"));
}

/// All items of `callboard`.
fn items_of_callboard() -> Vec<Item> {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../actors/src"))];
    let mut items = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                items.extend(syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap().items);
            }
        }
    }
    items
}

#[test]
fn the_methods_of_references_are_known() {
    let mut names = Vec::new();
    for item in items_of_callboard() {
        let Item::Impl(item) = item else { continue };
        let is_reference = matches!(&*item.self_ty, Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == "ActorRef"));
        let methods = item.items.iter().filter(|_| is_reference && item.trait_.is_none());
        names.extend(methods.filter_map(|part| match part {
            ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => {
                Some(method.sig.ident.to_string())
            }
            _ => None,
        }));
    }
    names.sort();
    assert_eq!(names, OF_REFERENCES);
}

#[test]
fn the_functions_of_an_actors_life_are_known() {
    let items = items_of_callboard();
    let functions = items.iter().find_map(|item| match item {
        Item::Trait(item) if item.ident == "Actor" => Some(&item.items),
        _ => None,
    });
    let names = functions.unwrap().iter().filter_map(|part| match part {
        syn::TraitItem::Fn(function) => Some(function.sig.ident.to_string()),
        _ => None,
    });
    assert_eq!(names.filter(|name| name != "handle").collect::<Vec<_>>(), LIFE);
}
