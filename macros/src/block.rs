//! A whole impl, as an actor's messages: what is generated, and what stays as it is.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Type, Visibility};

use crate::fault::Faults;
use crate::method::{Answer, Method, has_lifetime};

/// The functions of the trait `Actor` that may stand in the impl: `start`, and beside it the others. A test compares them.
pub(crate) const LIFE: [&str; 4] = ["start", "stopped", "down", "exited"];

/// What this crate writes itself.
const WRITTEN: [&str; 2] = ["handle", "dispatch"];

/// The methods of `ActorRef`, which would be called in the place of a handle's with the same name. A test compares them.
pub(crate) const OF_REFERENCES: [&str; 15] = [
    "address",
    "begin_call",
    "begin_call_timeout",
    "call",
    "call_timeout",
    "cast",
    "cast_timeout",
    "drain",
    "exit",
    "has_ended",
    "kill",
    "monitor",
    "stats",
    "stop",
    "try_cast",
];

/// An impl that has been read.
pub(crate) struct Block {
    pub(crate) visibility: Visibility,
    /// The actor's type.
    pub(crate) actor: TokenStream,
    /// The names of the actor, its messages, and the handle that sends them.
    pub(crate) name: Ident,
    pub(crate) message: Ident,
    pub(crate) handle: Ident,
    pub(crate) methods: Vec<Method>,
    pub(crate) life: Option<Life>,
}

/// The functions that belong into `impl Actor`.
pub(crate) struct Life {
    pub(crate) args: TokenStream,
    pub(crate) functions: Vec<TokenStream>,
}

impl Block {
    /// Reads `item`, and takes away from it what is for this crate alone; its life too, if nothing is wrong.
    pub(crate) fn read(item: &mut ItemImpl, visibility: Visibility, faults: &mut Faults) -> Option<Self> {
        let (actor, name) = actor(item, faults);
        let message = format_ident!("{name}Message");
        let handle = format_ident!("{name}Handle");
        let mut this = Self { visibility, actor, name, message, handle, methods: Vec::new(), life: None };
        let mut life = Vec::new();
        for (place, part) in item.items.iter_mut().enumerate() {
            match part {
                ImplItem::Fn(function) if LIFE.iter().any(|name| function.sig.ident == name) => {
                    life.push(place);
                }
                ImplItem::Fn(function) if function.sig.receiver().is_some() => {
                    this.methods.extend(Method::read(function, &this.actor, faults));
                }
                ImplItem::Macro(call) => {
                    faults.add(call, "expected methods that stand here: a macro's are not seen, and can be in another impl");
                }
                _ => {}
            }
        }
        this.check_names(faults);
        if this.methods.is_empty() && faults.is_empty() {
            faults.add(&item.self_ty, "expected a method with `&mut self` or `&self`, to make a message of");
        }
        this.check_life(item, &life, faults);
        if faults.is_empty() {
            this.take_life(item, &life);
        }
        Some(this)
    }

    /// No two names of one kind, and none that means something else.
    fn check_names(&self, faults: &mut Faults) {
        for (place, method) in self.methods.iter().enumerate() {
            let Method { name, variant, .. } = method;
            let is_among = |names: &[&str]| names.iter().any(|other| name == other);
            if is_among(&WRITTEN) {
                faults.add(name, format!("expected another name: `{name}` is written by this attribute"));
            } else if is_among(&OF_REFERENCES) {
                let text = format!(
                    "expected another name: `{name}` is a method of `ActorRef`, which would be called in its place"
                );
                faults.add(name, text);
            }
            let same = |other: &&Method| other.variant == *variant;
            if let Some(first) = self.methods[..place].iter().find(same) {
                let text = format!(
                    "expected another name: `{name}` and `{}` would both be the message `{variant}`",
                    first.name
                );
                faults.add(name, text);
            }
            let within = |other: &&Method| *name == timed(&other.name);
            if let Some(other) = self.methods.iter().find(within) {
                let text = format!(
                    "expected another name: `{name}` is written for `{}`, as its form with a deadline",
                    other.name
                );
                faults.add(name, text);
            }
        }
    }

    fn check_life(&self, item: &ItemImpl, life: &[usize], faults: &mut Faults) {
        let functions = || life.iter().filter_map(|place| function(&item.items[*place]));
        let start = functions().find(|function| function.sig.ident == "start");
        for function in functions() {
            let name = &function.sig.ident;
            if name == "start" {
                if function.sig.receiver().is_some() || function.sig.inputs.len() != 2 {
                    let message = &self.message;
                    let text = format!(
                        "`start` is that of the actor: expected `fn start(context: &mut Context<{message}>, args: Args) -> Result<Self, Failure>`"
                    );
                    faults.add(name, text);
                }
            } else if start.is_none() {
                let text = format!(
                    "`{name}` is part of an actor's life: expected it beside `start`, or in an `impl Actor` written by hand"
                );
                faults.add(name, text);
            }
        }
    }

    fn take_life(&mut self, item: &mut ItemImpl, places: &[usize]) {
        let args = |part: &ImplItem| match function(part)?.sig.inputs.last() {
            Some(FnArg::Typed(last)) if function(part)?.sig.ident == "start" => {
                Some(last.ty.to_token_stream())
            }
            _ => None,
        };
        let Some(args) = places.iter().find_map(|place| args(&item.items[*place])) else { return };
        let mut functions = Vec::new();
        for place in places.iter().rev() {
            if let ImplItem::Fn(mut function) = item.items.remove(*place) {
                function.vis = Visibility::Inherited;
                functions.push(function.into_token_stream());
            }
        }
        functions.reverse();
        self.life = Some(Life { args, functions });
    }
}

impl Method {
    /// Whether somebody waits for what it says.
    pub(crate) fn is_call(&self) -> bool {
        !matches!(self.answer, Answer::Nothing)
    }
}

/// The name of a method's form with a deadline.
pub(crate) fn timed(name: &Ident) -> Ident {
    format_ident!("{name}_timeout")
}

fn function(part: &ImplItem) -> Option<&ImplItemFn> {
    match part {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    }
}

/// The type of the impl, and its name.
fn actor(item: &ItemImpl, faults: &mut Faults) -> (TokenStream, Ident) {
    if let Some((of, _)) = &item.trait_ {
        faults.add(of, "expected an impl of the type's own methods, and not of a trait");
    }
    let text = "expected an impl without generics, lifetimes or bounds: a message is one type";
    if !item.generics.params.is_empty() {
        faults.add(&item.generics, text);
    } else if has_lifetime(&item.self_ty) {
        faults.add(&item.self_ty, text);
    }
    if let Some(bounds) = &item.generics.where_clause {
        faults.add(bounds, text);
    }
    let name = match &*item.self_ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| last.ident.clone()),
        _ => None,
    };
    let name = name.unwrap_or_else(|| {
        faults.add(&item.self_ty, "expected the name of a type, which is that of its messages too");
        format_ident!("Actor")
    });
    (item.self_ty.to_token_stream(), name)
}
