//! What is written for an impl, and what is said of one for which nothing is.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{ImplItem, Item, Type, Visibility};

use crate::block::OF_REFERENCES;
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

/// What is said of `item`: the code that is underlined, and the text.
fn said(item: TokenStream) -> Vec<(String, String)> {
    let faults = expand(TokenStream::new(), item).expect_err("it is refused").1;
    faults.found.iter().map(|fault| (fault.at.to_string(), fault.text.clone())).collect()
}

/// That of one method this is said, at this place.
#[track_caller]
fn refused(method: TokenStream, at: &str, text: &str) {
    let said = said(quote!(impl Counter { fn fine(&self) {} #method }));
    assert_eq!(said, [(at.to_owned(), text.to_owned())]);
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

/// > A method that can't be a message is refused by the compiler, at the place and with what was expected there.
#[test]
fn a_method_that_can_not_be_a_message_is_refused_where_it_can_not() {
    let refused_argument = |argument: TokenStream, at: &str, text: &str| {
        refused(quote!(fn f(&mut self, #argument) {}), at, text);
    };
    refused(
        quote!(
            async fn f(&mut self) {}
        ),
        "async",
        "expected a method that is not async: an actor handles one message at a time, and may wait as it does",
    );
    refused(
        quote!(
            unsafe fn f(&mut self) {}
        ),
        "unsafe",
        "expected a method that is not unsafe: whoever sends a message can't promise anything",
    );
    let generic = "expected a method without generics or lifetimes: a message is one type";
    refused(
        quote!(
            fn f<T>(&mut self, of: T) {}
        ),
        "< T >",
        generic,
    );
    refused(
        quote!(
            fn f<'a>(&mut self, of: Of) {}
        ),
        "< 'a >",
        generic,
    );
    let bounds = "expected a method without bounds: a message is one type";
    refused(
        quote!(
            fn f(&mut self)
            where
                u8: Copy,
            {
            }
        ),
        "where u8 : Copy",
        bounds,
    );
    for receiver in [quote!(self), quote!(mut self), quote!(self: Box<Self>), quote!(&'static self)] {
        let text = "expected `&mut self` or `&self`: the actor outlives the message";
        refused(quote!(fn f(#receiver) {}), &receiver.to_string(), text);
    }
    let pattern = "expected a name, which becomes that of a field of the message, not a pattern";
    refused_argument(quote!((a, b): (u8, u8)), "(a , b)", pattern);
    refused_argument(quote!(_: u8), "_", pattern);
    refused_argument(quote!(ref a: u8), "ref a", pattern);
    let owned = "an argument is a field of the message, which travels: expected the name of a type that owns what it holds, found";
    refused_argument(quote!(text: &str), "& str", &format!("{owned} a reference"));
    refused_argument(quote!(text: Option<&'a str>), "Option < & 'a str >", &format!("{owned} a reference"));
    refused_argument(
        quote!(text: Cow<'static, str>),
        "Cow < 'static , str >",
        &format!("{owned} a lifetime"),
    );
    refused_argument(quote!(text: impl Display), "impl Display", &format!("{owned} `impl`"));
    refused(
        quote!(
            fn f(&self) -> &str {
                ""
            }
        ),
        "& str",
        "what a method returns is the answer, which travels: expected the name of a type that owns what it holds, found a reference",
    );
    let cfg = "expected no `cfg` on an argument: a message has its fields always";
    refused_argument(quote!(#[cfg(unix)] a: u8), "# [cfg (unix)]", cfg);
    let twice = "expected the context once";
    refused_argument(quote!(a: &mut Context<M>, b: &Context<M>), "b : & Context < M >", twice);
}

#[test]
fn an_answer_that_is_not_clear_is_refused() {
    let cast = "expected a cast to return nothing, or a `Result<(), E>` whose error ends the actor";
    refused(
        quote!(
            #[cast]
            fn f(&mut self) -> u64 {
                1
            }
        ),
        "u64",
        cast,
    );
    let later = "expected a method that answers by its right to reply to return nothing, or a `Result<(), E>` whose error ends the actor";
    refused(
        quote!(
            fn f(&mut self, a: ReplyTo<u8>) -> u64 {
                1
            }
        ),
        "u64",
        later,
    );
    let call = "expected no `#[cast]`: a method with a right to reply is a call";
    refused(
        quote!(
            #[cast]
            fn f(&mut self, a: ReplyTo<u8>) {}
        ),
        "f",
        call,
    );
    let one = "expected one right to reply, since a call has one answer";
    refused(
        quote!(
            fn f(&mut self, a: ReplyTo<u8>, b: ReplyTo<u8>) {}
        ),
        "b : ReplyTo < u8 >",
        one,
    );
    let plain = "expected no serde attribute on a right to reply";
    refused(
        quote!(
            fn f(&mut self, #[serde(skip)] a: ReplyTo<u8>) {}
        ),
        "a : ReplyTo < u8 >",
        plain,
    );
    let nothing = "expected `#[cast]` with nothing behind it";
    refused(
        quote!(
            #[cast(now)]
            fn f(&mut self) {}
        ),
        "# [cast (now)]",
        nothing,
    );
    let field =
        "expected another name: `reply` is the field with the right to reply of this method's message";
    refused(
        quote!(
            fn f(&self, reply: u64) -> u64 {
                reply
            }
        ),
        "reply",
        field,
    );
}

#[test]
fn names_that_mean_something_else_are_refused() {
    refused(
        quote!(
            fn dispatch(&mut self) {}
        ),
        "dispatch",
        "expected another name: `dispatch` is written by this attribute",
    );
    refused(
        quote!(
            fn handle(&mut self) {}
        ),
        "handle",
        "expected another name: `handle` is written by this attribute",
    );
    let of_references =
        "expected another name: `stop` is a method of `ActorRef`, which would be called in its place";
    refused(
        quote!(
            fn stop(&mut self) {}
        ),
        "stop",
        of_references,
    );
    let clash = "expected another name: `f_ine` and `f__ine` would both be the message `FIne`";
    refused(
        quote!(
            fn f__ine(&mut self) {}
            fn f_ine(&mut self) {}
        ),
        "f_ine",
        clash,
    );
    let timed = "expected another name: `fine_timeout` is written for `fine`, as its form with a deadline";
    refused(
        quote!(
            fn fine_timeout(&mut self) {}
        ),
        "fine_timeout",
        timed,
    );
    let no_variant = "expected a name of which camel case makes that of a variant";
    refused(
        quote!(
            fn _1(&mut self) {}
        ),
        "_1",
        no_variant,
    );
    refused(
        quote!(
            fn self_(&mut self) {}
        ),
        "self_",
        no_variant,
    );
    let life = "`stopped` is part of an actor's life: expected it beside `start`, or in an `impl Actor` written by hand";
    refused(
        quote!(
            fn stopped(&mut self) {}
        ),
        "stopped",
        life,
    );
    let start = "`start` is that of the actor: expected `fn start(context: &mut Context<CounterMessage>, args: Args) -> Result<Self, Failure>`";
    refused(
        quote!(
            fn start(&mut self) {}
        ),
        "start",
        start,
    );
    refused(
        quote!(
            fn start(from: u64) -> Self {
                Self(from)
            }
        ),
        "start",
        start,
    );
}

#[test]
fn what_is_no_impl_of_an_actor_is_refused() {
    let one =
        |item: TokenStream, at: &str, text: &str| assert_eq!(said(item), [(at.to_owned(), text.to_owned())]);
    let own = "expected an impl of the type's own methods, and not of a trait";
    one(quote!(impl Actor for Counter { fn f(&self) {} }), "Actor", own);
    let generic = "expected an impl without generics, lifetimes or bounds: a message is one type";
    one(
        quote!(
            impl<T> Counter<T> {
                fn f(&self) {}
            }
        ),
        "< T >",
        generic,
    );
    one(
        quote!(
            impl<'a> Counter<'a> {
                fn f(&self) {}
            }
        ),
        "< 'a >",
        generic,
    );
    let name = "expected the name of a type, which is that of its messages too";
    one(
        quote!(
            impl (u8, u8) {
                fn f(&self) {}
            }
        ),
        "(u8 , u8)",
        name,
    );
    let none = "expected a method with `&mut self` or `&self`, to make a message of";
    one(quote!(impl Counter { fn new() -> Self { Self(0) } }), "Counter", none);
    let unseen = "expected methods that stand here: a macro's are not seen, and can be in another impl";
    one(quote!(impl Counter { fn f(&self) {} more!(); }), "more ! () ;", unseen);
    let no_impl = "expected an impl of the actor's type, whose methods become its messages";
    one(
        quote!(
            struct Counter;
        ),
        "struct Counter ;",
        no_impl,
    );
    let visibility = "expected who may use the message and the handle, as `pub` or `pub(crate)`, or nothing";
    let faults = expand(quote!(name = "X"), quote!(impl Counter { fn f(&self) {} })).unwrap_err().1;
    assert_eq!(
        (faults.found[0].at.to_string().as_str(), faults.found[0].text.as_str()),
        ("name = \"X\"", visibility)
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_the_impl_stays() {
    let item = quote!(impl Counter { async fn f(&self) {} fn g(self) {} fn h(&self, a: &str) {} });
    let (rest, faults) = expand(TokenStream::new(), item.clone()).unwrap_err();
    assert_eq!(rest.to_string(), item.to_string());
    let errors = faults.into_errors().to_string();
    assert_eq!(errors.matches("compile_error").count(), 3, "{errors}");
}

/// The names that a handle can't have are read off the code of `ActorRef`.
#[test]
fn the_methods_of_references_are_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../actors/src/actor");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
    {
        let file = syn::parse_file(&std::fs::read_to_string(entry.path()).unwrap()).unwrap();
        for item in file.items {
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
    }
    names.sort();
    assert_eq!(names, OF_REFERENCES);
}
