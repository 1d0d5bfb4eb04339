//! What is said of an impl that can't be an actor's messages, and which code is underlined.

use proc_macro2::TokenStream;

use crate::expand;
use crate::fault::Faults;

fn code(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|_| panic!("no Rust: {text}"))
}

fn faults(arguments: &str, item: &str) -> Faults {
    expand(code(arguments), code(item)).expect_err(item).1
}

/// That this alone is said of `item`, with that code underlined.
#[track_caller]
fn says(item: &str, at: &str, text: &str) {
    let faults = faults("", item);
    let said: Vec<_> = faults
        .found
        .iter()
        .map(|fault| (fault.at.to_string().replace(' ', ""), fault.text.as_str()))
        .collect();
    assert_eq!(said, [(at.replace(' ', ""), text)], "{item}");
}

/// As `says`, of a method.
#[track_caller]
fn refused(method: &str, at: &str, text: &str) {
    says(&format!("impl Counter {{ fn fine(&self) {{}} {method} }}"), at, text);
}

/// > A method that can't be a message is refused by the compiler, at the place and with what was expected there.
#[test]
fn a_method_that_can_not_be_a_message_is_refused_where_it_can_not() {
    let text = "expected a method that is not async: an actor handles one message at a time, and may wait as it does";
    refused("async fn f(&mut self) {}", "async", text);
    let text = "expected a method that is not unsafe: whoever sends a message can't promise anything";
    refused("unsafe fn f(&mut self) {}", "unsafe", text);
    let text = "expected a method without generics or lifetimes: a message is one type";
    refused("fn f<T>(&mut self, of: T) {}", "<T>", text);
    refused("fn f<'a>(&mut self, of: Of) {}", "<'a>", text);
    let text = "expected a method without bounds: a message is one type";
    refused("fn f(&mut self) where u8: Copy {}", "where u8: Copy", text);
    for receiver in ["self", "mut self", "self: Box<Self>", "&'static self"] {
        let text = "expected `&mut self` or `&self`: the actor outlives the message";
        refused(&format!("fn f({receiver}) {{}}"), receiver, text);
    }
    let text = "what a method returns is the answer, which travels: expected the name of a type that owns what it holds, found a reference";
    refused("fn f(&self) -> &str { self.text }", "&str", text);
}

/// > A method that can't be a message is refused by the compiler, at the place and with what was expected there.
#[test]
fn an_argument_that_can_not_travel_is_refused_where_it_stands() {
    let argument = |argument: &str, at: &str, text: &str| {
        refused(&format!("fn f(&mut self, {argument}) {{}}"), at, text);
    };
    let text = "expected a name, which becomes that of a field of the message, not a pattern";
    argument("(a, b): (u8, u8)", "(a, b)", text);
    argument("_: u8", "_", text);
    argument("ref a: u8", "ref a", text);
    let owned = "an argument is a field of the message, which travels: expected the name of a type that owns what it holds, found";
    argument("text: &str", "&str", &format!("{owned} a reference"));
    argument("text: Option<&'a str>", "Option<&'a str>", &format!("{owned} a reference"));
    argument("text: Cow<'static, str>", "Cow<'static, str>", &format!("{owned} a lifetime"));
    argument("text: impl Display", "impl Display", &format!("{owned} `impl`"));
    let text = "expected no `cfg` on an argument: a message has its fields always";
    argument("#[cfg(unix)] a: u8", "#[cfg(unix)]", text);
    argument("a: &mut Context<M>, b: &Context<M>", "b: &Context<M>", "expected the context once");
}

#[test]
fn an_answer_that_is_not_clear_is_refused() {
    let text = "expected a cast to return nothing, or a `Result<(), E>` whose error ends the actor";
    refused("#[cast] fn f(&mut self) -> u64 { 1 }", "u64", text);
    let text = "expected a method that answers by its right to reply to return nothing, or a `Result<(), E>` whose error ends the actor";
    refused("fn f(&mut self, a: ReplyTo<u8>) -> u64 { 1 }", "u64", text);
    let text = "expected no `#[cast]`: a method with a right to reply is a call";
    refused("#[cast] fn f(&mut self, a: ReplyTo<u8>) {}", "f", text);
    let text = "expected one right to reply, since a call has one answer";
    refused("fn f(&mut self, a: ReplyTo<u8>, b: ReplyTo<u8>) {}", "b: ReplyTo<u8>", text);
    let text = "expected no serde attribute on a right to reply";
    refused("fn f(&mut self, #[serde(skip)] a: ReplyTo<u8>) {}", "a: ReplyTo<u8>", text);
    let text = "expected `#[cast]` with nothing behind it";
    refused("#[cast(now)] fn f(&mut self) {}", "#[cast(now)]", text);
    let text = "expected another name: `reply` is the field with the right to reply of this method's message";
    refused("fn f(&self, reply: u64) -> u64 { reply }", "reply", text);
}

#[test]
fn names_that_mean_something_else_are_refused() {
    for name in ["dispatch", "handle"] {
        let text = format!("expected another name: `{name}` is written by this attribute");
        refused(&format!("fn {name}(&mut self) {{}}"), name, &text);
    }
    let text = "expected another name: `stop` is a method of `ActorRef`, which would be called in its place";
    refused("fn stop(&mut self) {}", "stop", text);
    let text = "expected another name: `f_ine` and `f__ine` would both be the message `FIne`";
    refused("fn f__ine(&mut self) {} fn f_ine(&mut self) {}", "f_ine", text);
    let text = "expected another name: `fine_timeout` is written for `fine`, as its form with a deadline";
    refused("fn fine_timeout(&mut self) {}", "fine_timeout", text);
    let text = "expected a name of which camel case makes that of a variant";
    refused("fn _1(&mut self) {}", "_1", text);
    refused("fn self_(&mut self) {}", "self_", text);
    for name in ["stopped", "down", "exited"] {
        let text = format!(
            "`{name}` is part of an actor's life: expected it beside `start`, or in an `impl Actor` written by hand"
        );
        refused(&format!("fn {name}(&mut self) {{}}"), name, &text);
    }
    let text = "`start` is that of the actor: expected `fn start(context: &mut Context<CounterMessage>, args: Args) -> Result<Self, Failure>`";
    refused("fn start(&mut self) {}", "start", text);
    refused("fn start(from: u64) -> Self { Self(from) }", "start", text);
}

#[test]
fn what_is_no_impl_of_an_actor_is_refused() {
    let text = "expected an impl of the type's own methods, and not of a trait";
    says("impl Actor for Counter { fn f(&self) {} }", "Actor", text);
    let text = "expected an impl without generics, lifetimes or bounds: a message is one type";
    says("impl<T> Counter<T> { fn f(&self) {} }", "<T>", text);
    says("impl<'a> Counter<'a> { fn f(&self) {} }", "<'a>", text);
    let text = "expected an impl without generics, lifetimes or bounds: a message is one type";
    says("impl Counter where u8: Copy { fn f(&self) {} }", "where u8: Copy", text);
    says("impl Counter<'_> { fn f(&self) {} }", "Counter<'_>", text);
    let text = "expected the name of a type, which is that of its messages too";
    says("impl (u8, u8) { fn f(&self) {} }", "(u8, u8)", text);
    let text = "expected a method with `&mut self` or `&self`, to make a message of";
    says("impl Counter { fn new() -> Self { Self(0) } }", "Counter", text);
    let text = "expected methods that stand here: a macro's are not seen, and can be in another impl";
    says("impl Counter { fn f(&self) {} more!(); }", "more!();", text);
    let text = "expected an impl of the actor's type, whose methods become its messages";
    says("struct Counter;", "struct Counter;", text);
    let wrong = faults("name = \"X\"", "impl Counter { fn f(&self) {} }");
    let text = "expected who may use the message and the handle, as `pub` or `pub(crate)`, or nothing";
    assert_eq!(
        (wrong.found[0].at.to_string().as_str(), wrong.found[0].text.as_str()),
        ("name = \"X\"", text)
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_the_impl_stays() {
    let item = code("impl Counter { async fn f(&self) {} fn g(self) {} fn h(&self, a: &str) {} }");
    let (rest, faults) = expand(TokenStream::new(), item.clone()).unwrap_err();
    assert_eq!(rest.to_string(), item.to_string());
    let errors = faults.into_errors().to_string();
    assert_eq!(errors.matches("compile_error").count(), 3, "{errors}");
}

#[test]
fn code_that_is_not_rust_is_told_by_the_parser() {
    let errors = faults("", "impl Counter { fn }").into_errors().to_string();
    assert_eq!(errors.matches("compile_error").count(), 1, "{errors}");
}
