//! How many processes the kernel has killed for lack of memory.
//!
//! A process that it kills ends by SIGKILL as any other; only these counts tell. The one of our own control group is asked for, in
//! which children are too; where there is none, the one of the whole machine.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// How many processes the kernel has killed for lack of memory; none if it does not say. Asked twice, more means that it has
/// killed in between.
pub(crate) fn kills() -> Option<u64> {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let read = |path: &PathBuf| std::fs::read_to_string(path).ok().and_then(|text| count(&text));
    let file = FILE.get_or_init(|| {
        let group = std::fs::read_to_string("/proc/self/cgroup").ok();
        let files = group.as_deref().map(files_of_group).unwrap_or_default();
        files.into_iter().chain([PathBuf::from("/proc/vmstat")]).find(|path| read(path).is_some())
    });
    read(file.as_ref()?)
}

/// The files with a group's own count, and with that of its subgroups too, by what `/proc/self/cgroup` says.
fn files_of_group(text: &str) -> Vec<PathBuf> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let group = group.map(|group| PathBuf::from(GROUPS).join(group));
    let names = ["memory.events.local", "memory.events"];
    group.into_iter().flat_map(|group| names.map(|name| group.join(name))).collect()
}

/// The count among the lines of such a file.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok())
}

/// Whether the kernel has killed between two counts. Where it does not say, it has not.
pub(crate) fn has_killed(before: Option<u64>, now: Option<u64>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if now > before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_others() {
        let events = "low 0\nhigh 3\nmax 17\noom 4\noom_kill 2\noom_group_kill 9\n";
        assert_eq!(count(events), Some(2));
        assert_eq!(count("nr_free_pages 5\nallocstall_dma 0\noom_kill 12\nthp_split 1\n"), Some(12));
        for text in ["", "oom_kill", "oom_kill \n", "oom_kill x\n", "oom_kill -1\n", "oom_group_kill 3\n"] {
            assert_eq!(count(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_files_are_those_of_the_own_group() {
        let text = "4:memory:/old\n1:cpu:/\n0::/user.slice/app.scope\n";
        let files = files_of_group(text);
        assert_eq!(
            files,
            ["memory.events.local", "memory.events"]
                .map(|name| PathBuf::from(format!("/sys/fs/cgroup/user.slice/app.scope/{name}")))
        );
        assert_eq!(files_of_group("0::/\n")[1], PathBuf::from("/sys/fs/cgroup/memory.events"));
        assert!(files_of_group("4:memory:/old\n").is_empty());
    }

    #[test]
    fn only_a_count_that_rose_says_that_the_kernel_killed() {
        assert!(has_killed(Some(3), Some(4)));
        for (before, now) in
            [(Some(3), Some(3)), (Some(4), Some(3)), (None, Some(9)), (Some(3), None), (None, None)]
        {
            assert!(!has_killed(before, now), "{before:?} {now:?}");
        }
    }

    #[test]
    fn the_kernel_is_asked_again_each_time() {
        // It says nothing at all in some sandboxes; then it never does.
        assert_eq!(kills().is_some(), kills().is_some());
        assert!(!has_killed(kills(), kills()), "the kernel has killed just now");
    }
}
