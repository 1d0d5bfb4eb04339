//! The word-count program: exact in every mode and whoever of its workers is killed, and nothing left when its root is.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard_tests::{PATIENCE, eventually, none_runs, pause, send_signal};

/// How much processor time, in hundredths of a second, the program has between one kill of a worker and the next.
const WORK_BETWEEN_KILLS: u64 = 6;

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
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
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

/// How much processor time a program, its children and those whom they have collected have had, in the hundredths of a second that the system
/// counts in.
fn worked(pid: u32) -> u64 {
    let of = |pid: u32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
    };
    of(pid) + children_of(pid).into_iter().map(of).sum::<u64>()
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
        assert!(out.status.success(), "{mode:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(String::from_utf8(out.stdout).unwrap() == expected(1), "{mode:?}");
    }
    for round in 0..3 {
        let mut run = Command::new(&program);
        run.args(["--batch", "500", "--counters", "2"]).args([file.path(); 5]);
        let (out, err) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let mut run = run.stdout(out.reopen().unwrap()).stderr(err.reopen().unwrap()).spawn().unwrap();
        let said = || fs::read_to_string(err.path()).unwrap();
        let (begun, mut kills, mut worked_before) = (Instant::now(), 0, 0);
        while run.try_wait().unwrap().is_none() {
            pause(Duration::from_millis(40));
            let children = children_of(run.id());
            if begun.elapsed() > 5 * PATIENCE {
                run.kill().unwrap();
                panic!("it does not end, after {kills} kills: {}", said());
            }
            // Where others have the processors a worker comes to work later, and so it is killed later.
            let worked = worked(run.id());
            if worked < worked_before + WORK_BETWEEN_KILLS {
                continue;
            }
            if let Some(child) = children.get((kills + round) % children.len().max(1)) {
                send_signal(*child, 9);
                kills += 1;
                worked_before = worked;
            }
        }
        let status = run.wait().unwrap();
        assert!(status.success(), "{status} after {kills} kills: {}", said());
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
        none_runs("no worker is left", &children);
    }
}
