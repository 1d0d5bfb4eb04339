//! Supervisors of all kinds of children, with all that may happen to each: the whole product, with real processes.

#[path = "supervisor_matrix/kinds.rs"]
mod kinds;
#[path = "supervisor_matrix/limits.rs"]
mod limits;
#[path = "supervisor_matrix/shutdowns.rs"]
mod shutdowns;
#[path = "supervisor_matrix/significant.rs"]
mod significant;
#[path = "supervisor_matrix/strategies.rs"]
mod strategies;
#[path = "supervisors/worker.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod worker;

callboard::test_door!();
