//! The word-count program: exact in every mode and whoever of its workers is killed, and nothing left when its root is.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use callboard_tests::{eventually, is_running, pause, send_signal};

/// The word-count program, built in the profile of this test.
fn wordcount() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let folder = deps.ancestors().nth(2).unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    // At the workspace's root, so that its parts are built as for these tests.
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(["build", "-q", "--bin", "wordcount"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(folder.parent().unwrap());
    assert!(build.status().unwrap().success());
    folder.join("wordcount")
}

/// Text of many words, lines of any length and bytes of any kind, and its counts as the program prints them for so many
/// copies of it.
fn text(lines: u64) -> (tempfile::NamedTempFile, impl Fn(u64) -> String) {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut text = Vec::new();
    let mut state = 88_172_645_463_325_252_u64;
    for line in 0..lines {
        for _ in 0..line % 23 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let word = format!("{}x{}", ["a", "Be", "CeD"][(state % 3) as usize], state % 997)
                .replace(|c: char| c.is_ascii_digit(), "q");
            let word = format!("{word}{}", "zyxwv".get(..(state % 6) as usize).unwrap_or("w"));
            *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
            text.extend_from_slice(word.as_bytes());
            text.push([b' ', 0xff, b'-', b'\t', 0][(state % 5) as usize]);
        }
        text.push(b'\n');
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let printed = move |copies| {
        counts.iter().map(|(word, count)| format!("{}\t{word}\n", count * copies)).collect::<String>()
    };
    (file, printed)
}

/// The live children of a process.
fn children_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// > A step is atomic: whoever is killed, each item's results come out once.
#[test]
fn word_counts_are_exact_in_every_mode_and_while_workers_are_killed_all_along() {
    let program = wordcount();
    let (file, expected) = text(200_000);
    for mode in
        [&["--counters", "3"][..], &["--threads"], &["--inline"], &["--batch", "1000", "--parsers", "1"]]
    {
        let out = Command::new(&program).args(mode).arg(file.path()).output().unwrap();
        assert!(out.status.success());
        assert!(String::from_utf8(out.stdout).unwrap() == expected(1), "{mode:?}");
    }
    for round in 0..3 {
        let mut run = Command::new(&program);
        run.args(["--batch", "500", "--counters", "2"]).args([file.path(); 5]);
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut run = run.stdout(out.reopen().unwrap()).stderr(Stdio::null()).spawn().unwrap();
        let mut kills = 0;
        while run.try_wait().unwrap().is_none() {
            pause(Duration::from_millis(40));
            let children = children_of(run.id());
            if let Some(child) = children.get((kills + round) % children.len().max(1)) {
                send_signal(*child, 9);
                kills += 1;
            }
        }
        assert!(run.wait().unwrap().success());
        assert!(kills > 2, "it ended before it could be disturbed");
        assert!(fs::read_to_string(out.path()).unwrap() == expected(5), "after {kills} kills");
    }
}

#[test]
fn what_can_not_be_read_is_named_and_the_rest_is_counted() {
    let program = wordcount();
    let (file, expected) = text(100);
    let out = Command::new(&program).arg("/nowhere/to/be/found").arg(file.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("/nowhere/to/be/found"));
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected(1));
}

/// > With the root killed no worker is left, stopped ones neither.
#[test]
fn killing_the_root_of_a_pipeline_leaves_no_process() {
    let program = wordcount();
    let (file, _) = text(100_000);
    for round in 0..10 {
        let paths = std::iter::repeat_n(file.path(), 20);
        let mut root =
            Command::new(&program).args(paths).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut children = Vec::new();
        eventually("the workers run", || {
            children = children_of(root.id());
            children.len() >= 2
        });
        pause(Duration::from_millis(5 * round));
        send_signal(children[0], 19);
        send_signal(root.id(), 9);
        root.wait().unwrap();
        eventually("no worker is left", || !children.iter().any(|pid| is_running(*pid)));
    }
}
