//! Messages between two Erlang nodes on the loopback, and between the processes of one. Needs Erlang/OTP 25 or later.
//!
//! Two nodes use the distribution as it is, but no epmd: the first listens on a port that the second is told.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use super::script;
use crate::harness::Outcome;

/// Where the scripts lie.
const BETWEEN_NODES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/erlang/queues.erl");
const ALONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/erlang/actors.erl");
/// Both nodes keep to it.
const LOOPBACK: &str = "{127,0,0,1}";

/// Runs the script of one node with its arguments, one workload and its sizes.
pub(crate) fn alone(args: &[&str]) -> Outcome {
    let folder = tempfile::tempdir()?;
    script::output(Command::new("erlc").arg("-o").arg(folder.path()).arg(ALONE), "erlc actors.erl")?;
    let mut erl = Command::new("erl");
    erl.arg("-noinput").arg("-pa").arg(folder.path()).args(["+P", "2000000"]);
    erl.args(["-run", "actors", "main", "-extra"]).args(args);
    erl.env("HOME", folder.path()).env("ERL_CRASH_DUMP_BYTES", "0");
    script::measured(&mut erl, &format!("actors.erl {args:?}"))
}

/// Runs the script of two nodes with its arguments, one workload and its sizes.
pub(crate) fn run(args: &[&str]) -> Outcome {
    let folder = tempfile::tempdir()?;
    script::output(Command::new("erlc").arg("-o").arg(folder.path()).arg(BETWEEN_NODES), "erlc queues.erl")?;
    let [listening, nobody] = free_ports()?;
    let mut erl = Command::new("erl");
    erl.arg("-noinput").arg("-pa").arg(folder.path());
    erl.args(["-start_epmd", "false", "-erl_epmd_port", &listening.to_string()]);
    erl.args(["-name", "first@127.0.0.1", "-kernel", "inet_dist_use_interface", LOOPBACK]);
    erl.args(["-run", "queues", "main", "-extra"]).args(args);
    // The cookie is made in a home of its own, and an epmd that runs already is left alone.
    erl.env("HOME", folder.path()).env("ERL_EPMD_PORT", nobody.to_string());
    erl.env("ERL_CRASH_DUMP_BYTES", "0");
    script::measured(&mut erl, &format!("queues.erl {args:?}"))
}

/// Two ports that nobody listens on.
fn free_ports() -> io::Result<[u16; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (listen()?, listen()?);
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}
