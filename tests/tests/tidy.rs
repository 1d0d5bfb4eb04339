//! The house rules that a machine can hold.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest a source file may be, in lines.
const MAX_LINES: usize = 400;

/// Files that may be a little longer, each with its reason.
const LONGER: [(&str, usize, &str); 1] = [(
    "actors/src/protocol/queue/handle.rs",
    500,
    "the whole public face of a queue, mostly its documentation",
)];

/// The only files in which `unsafe` may stand.
const UNSAFE: [&str; 35] = [
    "actors/src/process/entry.rs",
    "actors/src/process/routine.rs",
    "actors/src/protocol/array/guard.rs",
    "actors/src/protocol/region/view.rs",
    "actors/src/scope.rs",
    "benches/src/clock.rs",
    "benches/src/limits/robust.rs",
    "benches/src/limits/zygote.rs",
    "ipc/src/abort.rs",
    "ipc/src/bootstrap.rs",
    "ipc/src/door.rs",
    "ipc/src/foreign.rs",
    "ipc/src/fork.rs",
    "ipc/src/futex.rs",
    "ipc/src/lane/model.rs",
    "ipc/src/life_line.rs",
    "ipc/src/link.rs",
    "ipc/src/poller.rs",
    "ipc/src/process.rs",
    "ipc/src/process/code.rs",
    "ipc/src/process/program.rs",
    "ipc/src/region.rs",
    "ipc/src/region/words.rs",
    "ipc/src/ring.rs",
    "ipc/src/ring/tests.rs",
    "ipc/src/signals.rs",
    "ipc/src/sync/block.rs",
    "ipc/src/sync/condition.rs",
    "ipc/src/sync/lock.rs",
    "ipc/src/sync/model.rs",
    "ipc/src/sync/rw_lock/words.rs",
    "ipc/src/sync/semaphore/words.rs",
    "ipc/src/trail.rs",
    "ipc/src/turn.rs",
    "ipc/src/turn/model.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every Rust file of the workspace: its path from the root, and its text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["core", "ipc", "macros", "actors", "examples", "tests", "benches"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 30, "the walk found {} files only", found.len());
    found
}

/// Fails with all files and lines of which `wrong` says so.
#[track_caller]
fn check(rule: &str, wrong: impl Fn(&str, &str) -> bool) {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if name == "tests/tests/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if !code.starts_with("//") && wrong(&name, code) {
                found.push(format!("{name}:{}: {code}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn files_are_short_enough_to_be_read_at_once() {
    for (name, text) in sources() {
        let longer = LONGER.iter().find(|(long, ..)| *long == name);
        let most = longer.map_or(MAX_LINES, |(_, lines, _)| *lines);
        let lines = text.lines().count();
        assert!(lines <= most, "{name} has {lines} lines, more than {most}");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        let is_example = name.starts_with("examples/examples/");
        let says = first.starts_with("//!") || (is_example && first.starts_with("// cargo run"));
        assert!(says, "{name} begins with {first:?}, not with a line that says what it is for");
        assert!(!name.ends_with("/mod.rs"), "{name}: a module's file has its module's name");
    }
}

#[test]
fn arrows_point_one_way() {
    check("core knows nobody above it", |name, code| {
        name.starts_with("core/") && (code.contains("callboard_ipc") || code.contains("callboard::"))
    });
    check("ipc knows nobody above it", |name, code| {
        name.starts_with("ipc/src/") && code.contains("callboard::")
    });
    check("actors makes no system calls of its own", |name, code| {
        let names = ["mio::", "rustix::", "libc::"];
        name.starts_with("actors/src/") && names.iter().any(|system| code.contains(system))
    });
    let depends = |on: &str, folder: &str| {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        manifest
            .lines()
            .any(|line| line.starts_with(&format!("{on}.")) || line.starts_with(&format!("{on} ")))
    };
    assert!(!depends("callboard-ipc", "core") && !depends("callboard", "core"));
    assert!(!depends("callboard", "ipc"));
    assert!(["callboard-core", "callboard-ipc", "callboard"].iter().all(|on| !depends(on, "macros")));
    for folder in ["core", "ipc", "macros", "actors", "examples", "tests"] {
        assert!(!depends("callboard-bench", folder), "{folder} depends on the benches");
    }
}

#[test]
fn one_file_knows_the_encoding() {
    check("only core/src/body.rs names rmp_serde", |name, code| {
        code.contains("rmp_serde") && name != "core/src/body.rs" && !name.starts_with("benches/")
    });
}

#[test]
fn unsafe_stands_only_where_it_is_expected() {
    check("unsafe outside the listed files", |name, code| {
        let is_code = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        is_code && !UNSAFE.contains(&name) && !name.contains("/tests/")
    });
}

/// The promises of SEMANTICS.md, each with one of the tests named beside it: a file from the root, and a function.
fn promises() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(root().join("SEMANTICS.md")).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [promise, tests] = cells[..] else { continue };
        for test in tests.split('`').skip(1).step_by(2) {
            let (file, function) =
                test.rsplit_once("::").unwrap_or_else(|| panic!("{test} names no function"));
            let file = if file.ends_with(".rs") { file.to_owned() } else { format!("tests/tests/{file}.rs") };
            found.push((promise.to_owned(), file, function.to_owned()));
        }
    }
    assert!(found.len() > 50, "only {} promises were found", found.len());
    found
}

/// What stands directly above a function, without its marks and line breaks.
fn above(text: &str, function: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.starts_with(&format!("fn {function}(")))?;
    let comment =
        lines[..at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let words: Vec<&str> =
        comment.map(|line| line.trim_start_matches("///").trim_start_matches(" >").trim()).collect();
    Some(words.into_iter().rev().collect::<Vec<_>>().join(" "))
}

#[test]
fn every_promise_is_quoted_by_the_test_that_holds_it() {
    let sources = sources();
    for (promise, file, function) in promises() {
        let text = sources.iter().find(|(name, _)| *name == file).map(|(_, text)| text);
        let text = text.unwrap_or_else(|| panic!("{file}, which is to hold {promise:?}, is not there"));
        let above = above(text, &function).unwrap_or_else(|| panic!("{file} has no test {function}"));
        assert!(above.contains(&promise), "{function} in {file} does not quote its promise: {promise}");
    }
}

#[test]
fn nothing_is_left_open_and_no_test_sleeps_or_is_skipped() {
    check("left open", |_, code| code.contains("todo!(") || code.contains("unimplemented!("));
    check("a test that is skipped", |_, code| code.contains("#[ignore"));
    check("a test that sleeps", |name, code| name.contains("tests") && code.contains("thread::sleep"));
}
