//! Workers of pools, and pools' own processes, that are killed: each task ends once, for the reason that was its own, and the pool goes on.
//!
//! `states` kills workers wherever they are in their lives, `ends` has tasks end their worker in every way, `cancels` cancels and kills tasks
//! at random, `parents` kills the process that has the pool, `storm` kills workers all along.

#[path = "pool_deaths/cancels.rs"]
mod cancels;
#[path = "pool_deaths/ends.rs"]
mod ends;
#[path = "pool_deaths/parents.rs"]
mod parents;
#[path = "pool_deaths/scene.rs"]
mod scene;
#[path = "pool_deaths/states.rs"]
mod states;
#[path = "pool_deaths/storm.rs"]
mod storm;

callboard::test_door!();
