//! A spawned child that asks for its socket too late: inside a test, where the test harness has started threads.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use callboard_ipc::{BootstrapError, ChildSpec, Exit, StdStream, start, take_bootstrap};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const NAME: &str = "a_child_that_has_started_threads_is_told_to_start_earlier";
const CHILD: &str = "CALLBOARD_TEST_LATE";

#[test]
fn a_child_that_has_started_threads_is_told_to_start_earlier() {
    if std::env::var_os(CHILD).is_some() {
        let error = take_bootstrap().unwrap_err();
        assert!(matches!(error, BootstrapError::Threads { count } if count > 1), "{error}");
        assert!(error.to_string().contains("top of `main`"), "{error}");
        return;
    }
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let mut spec = ChildSpec::new("late", theirs.into());
    let args = ["late", "--exact", NAME, "--test-threads=2"];
    spec.args = Some(args.map(Into::into).into());
    spec.env.push((CHILD.into(), Some("1".into())));
    spec.stdout = StdStream::Null;
    let child = start(spec).unwrap();
    let timeout = Timespec::try_from(Duration::from_secs(60)).unwrap();
    let ended = poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&timeout));
    child.kill().unwrap();
    assert_eq!(ended, Ok(1));
    assert_eq!(child.try_reap().unwrap(), Some(Exit::Code(0)));
}
