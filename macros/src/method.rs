//! One method of an actor, as a message: its variant, its fields, and what becomes of what it returns.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, ImplItemFn, Meta, Pat, PatType, PathArguments, Receiver, ReceiverKind,
    ReturnType, Safety, Signature, Type,
};

use crate::fault::Faults;

/// A method that a message calls.
pub(crate) struct Method {
    pub(crate) name: Ident,
    pub(crate) variant: Ident,
    pub(crate) docs: Vec<TokenStream>,
    pub(crate) cfgs: Vec<TokenStream>,
    pub(crate) fields: Vec<Field>,
    /// What it is given, in its own order.
    pub(crate) passed: Vec<Passed>,
    pub(crate) answer: Answer,
    /// What it returns, if that is a `Result` whose error ends the actor.
    pub(crate) fails: Option<TokenStream>,
}

/// An argument that travels.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) of: TokenStream,
    /// For serde.
    pub(crate) attributes: Vec<TokenStream>,
}

pub(crate) enum Passed {
    /// Where it stands.
    Context(Span),
    Field(Ident),
    Reply,
}

/// What a caller gets.
pub(crate) enum Answer {
    Nothing,
    /// What the method returns.
    Returned(TokenStream),
    /// What it sends some time, by the right to reply that is its argument of that name.
    Later(Ident, TokenStream),
}

impl Method {
    /// Reads `method` of the type `actor`, and takes away from it what is for this crate alone.
    pub(crate) fn read(method: &mut ImplItemFn, actor: &TokenStream, faults: &mut Faults) -> Option<Self> {
        let is_cast = takes_cast(&mut method.attrs, faults);
        check(&method.sig, faults);
        let name = method.sig.ident.clone();
        let variant = variant(&name, faults)?;
        let mut this = Self {
            name,
            variant,
            docs: with_name(&method.attrs, "doc"),
            cfgs: with_name(&method.attrs, "cfg"),
            fields: Vec::new(),
            passed: Vec::new(),
            answer: Answer::Nothing,
            fails: None,
        };
        for input in &mut method.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => check_receiver(receiver, faults),
                FnArg::Typed(argument) => this.add_argument(argument, actor, faults),
            }
        }
        this.add_output(&method.sig.output, is_cast, actor, faults);
        Some(this)
    }

    /// What stands for its right to reply in the message.
    pub(crate) fn reply(&self) -> Option<(Ident, &TokenStream)> {
        match &self.answer {
            Answer::Nothing => None,
            Answer::Returned(of) => Some((Ident::new("reply", of.span()), of)),
            Answer::Later(name, of) => Some((name.clone(), of)),
        }
    }

    fn add_argument(&mut self, argument: &mut PatType, actor: &TokenStream, faults: &mut Faults) {
        if is_context(&argument.ty) {
            if self.passed.iter().any(|passed| matches!(passed, Passed::Context(_))) {
                faults.add(&*argument, "expected the context once");
            }
            self.passed.push(Passed::Context(argument.ty.span()));
            return;
        }
        let attributes = takes_field_attributes(&mut argument.attrs, faults);
        let name = match &*argument.pat {
            Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => name.ident.clone(),
            pattern => {
                faults.add(
                    pattern,
                    "expected a name, which becomes that of a field of the message, not a pattern",
                );
                return;
            }
        };
        if !is_owned(&argument.ty, "an argument is a field of the message", faults) {
            return;
        }
        let Some(of) = replied_by(&argument.ty) else {
            let of = naming(argument.ty.to_token_stream(), actor);
            self.passed.push(Passed::Field(name.clone()));
            self.fields.push(Field { name, of, attributes });
            return;
        };
        if matches!(self.answer, Answer::Later(..)) {
            faults.add(&*argument, "expected one right to reply, since a call has one answer");
        }
        if !attributes.is_empty() {
            faults.add(&*argument, "expected no serde attribute on a right to reply");
        }
        self.answer = Answer::Later(name, naming(of.to_token_stream(), actor));
        self.passed.push(Passed::Reply);
    }

    fn add_output(&mut self, output: &ReturnType, is_cast: bool, actor: &TokenStream, faults: &mut Faults) {
        let is_later = matches!(self.answer, Answer::Later(..));
        if is_cast && is_later {
            faults.add(&self.name, "expected no `#[cast]`: a method with a right to reply is a call");
        }
        let ReturnType::Type(_, of) = output else { return };
        if matches!(&**of, Type::Tuple(unit) if unit.elems.is_empty()) {
            return;
        }
        let expected = "nothing, or a `Result<(), E>` whose error ends the actor";
        if is_cast || is_later {
            if !is_result(of) {
                let why = if is_cast { "a cast" } else { "a method that answers by its right to reply" };
                faults.add(of, format!("expected {why} to return {expected}"));
            }
            self.fails = Some(of.to_token_stream());
            return;
        }
        if !is_owned(of, "what a method returns is the answer", faults) {
            return;
        }
        if let Some(field) = self.fields.iter().find(|field| field.name == "reply") {
            let text = "expected another name: `reply` is the field with the right to reply of this method's message";
            faults.add(&field.name, text);
        }
        self.answer = Answer::Returned(naming(of.to_token_stream(), actor));
    }
}

/// Whether `#[cast]` stands there; it is taken away.
fn takes_cast(attributes: &mut Vec<Attribute>, faults: &mut Faults) -> bool {
    let before = attributes.len();
    attributes.retain(|attribute| {
        let is_cast = attribute.path().is_ident("cast");
        if is_cast && !matches!(attribute.meta, Meta::Path(_)) {
            faults.add(attribute, "expected `#[cast]` with nothing behind it");
        }
        !is_cast
    });
    attributes.len() < before
}

/// The attributes of an argument that are its field's; they are taken away.
fn takes_field_attributes(attributes: &mut Vec<Attribute>, faults: &mut Faults) -> Vec<TokenStream> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        faults.add(attribute, "expected no `cfg` on an argument: a message has its fields always");
    }
    let taken = with_name(attributes, "serde");
    attributes.retain(|attribute| !attribute.path().is_ident("serde"));
    taken
}

fn with_name(attributes: &[Attribute], name: &str) -> Vec<TokenStream> {
    let named = attributes.iter().filter(|attribute| attribute.path().is_ident(name));
    named.map(ToTokens::to_token_stream).collect()
}

fn check(signature: &Signature, faults: &mut Faults) {
    if let Some(token) = &signature.asyncness {
        faults.add(token, "expected a method that is not async: an actor handles one message at a time, and may wait as it does");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        faults.add(
            token,
            "expected a method that is not unsafe: whoever sends a message can't promise anything",
        );
    }
    if !signature.generics.params.is_empty() {
        faults.add(
            &signature.generics,
            "expected a method without generics or lifetimes: a message is one type",
        );
    }
    if let Some(bounds) = &signature.generics.where_clause {
        faults.add(bounds, "expected a method without bounds: a message is one type");
    }
}

fn check_receiver(receiver: &Receiver, faults: &mut Faults) {
    let is_reference = matches!(&receiver.kind, ReceiverKind::Reference(_, None, _));
    if !is_reference {
        faults.add(receiver, "expected `&mut self` or `&self`: the actor outlives the message");
    }
}

/// The name in camel case.
fn variant(name: &Ident, faults: &mut Faults) -> Option<Ident> {
    let text: String = name.unraw().to_string().split('_').map(capitalised).collect();
    if text == "Self" || !text.starts_with(char::is_alphabetic) {
        faults.add(name, "expected a name of which camel case makes that of a variant");
        return None;
    }
    Some(Ident::new(&text, name.span()))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether this is `&mut Context<..>`, or a shared reference to one.
fn is_context(of: &Type) -> bool {
    let Type::Reference(reference) = of else { return false };
    last_name(&reference.elem).is_some_and(|name| name == "Context")
}

fn is_result(of: &Type) -> bool {
    last_name(of).is_some_and(|name| name == "Result")
}

fn last_name(of: &Type) -> Option<&Ident> {
    let Type::Path(path) = of else { return None };
    path.path.segments.last().map(|segment| &segment.ident)
}

/// The answer's type, if this is `ReplyTo<R>`.
fn replied_by(of: &Type) -> Option<&Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "ReplyTo")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(answer)) if arguments.args.len() == 1 => Some(answer),
        _ => None,
    }
}

/// Whether a value of that type may travel, as far as can be seen. `what` begins the sentence that says why not.
fn is_owned(of: &Type, what: &str, faults: &mut Faults) -> bool {
    let found = if has_mark(of, '&') {
        "a reference"
    } else if has_lifetime(of) {
        "a lifetime"
    } else if has(of.to_token_stream(), &|token| matches!(token, TokenTree::Ident(word) if word == "impl")) {
        "`impl`"
    } else {
        return true;
    };
    let text =
        format!("{what}, which travels: expected the name of a type that owns what it holds, found {found}");
    faults.add(of, text);
    false
}

/// Whether a lifetime stands in that type.
pub(crate) fn has_lifetime(of: &Type) -> bool {
    has_mark(of, '\'')
}

fn has_mark(of: &Type, mark: char) -> bool {
    has(of.to_token_stream(), &|token| matches!(token, TokenTree::Punct(found) if found.as_char() == mark))
}

fn has(tokens: TokenStream, wanted: &dyn Fn(&TokenTree) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => has(group.stream(), wanted),
        token => wanted(&token),
    })
}

/// A type as it is named outside the impl of `actor`: without `Self`.
fn naming(of: TokenStream, actor: &TokenStream) -> TokenStream {
    let named = of.into_iter().map(|token| match token {
        TokenTree::Ident(word) if word == "Self" => actor.clone(),
        TokenTree::Group(group) => {
            let mut inner = proc_macro2::Group::new(group.delimiter(), naming(group.stream(), actor));
            inner.set_span(group.span());
            TokenTree::Group(inner).into_token_stream()
        }
        token => quote!(#token),
    });
    named.collect()
}
