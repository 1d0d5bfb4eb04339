//! The tables of CONFORMANCE.md name tests that are there.

use std::fs;
use std::path::Path;

/// Whether the file has a test, or a case, of that name.
fn is_there(root: &Path, file: &str, function: &str) -> bool {
    let tests = root.join("tests/tests");
    let path = if file.ends_with(".rs") { root.join(file) } else { tests.join(format!("{file}.rs")) };
    let text = fs::read_to_string(path).unwrap_or_default();
    [format!("fn {function}("), format!("fn {function}<")].iter().any(|head| text.contains(head))
}

#[test]
fn every_test_named_in_the_tables_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("CONFORMANCE.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let tests: Vec<(&str, &str)> = named.filter_map(|name| name.rsplit_once("::")).collect();
    assert!(tests.len() > 50, "only {} are named", tests.len());
    let missing: Vec<_> = tests.iter().filter(|(file, test)| !is_there(&root, file, test)).collect();
    assert!(missing.is_empty(), "named but not there: {missing:?}");
}
