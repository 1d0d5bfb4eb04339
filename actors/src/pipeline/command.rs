//! A stage whose work other programs do.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::stage::{Outputs, Stage};
use crate::command::StartCommand;
use crate::node::Node;
use crate::runtime::Runtime;
use crate::scope;

/// How much of its standard error, at the end, is told of a program that has failed.
const TOLD_BYTES: usize = 1024;

/// A stage that runs a program for each item: the item is the program's standard input, and its standard output is what is put out for it.
///
/// So a step stays atomic: a program whose worker is killed ends with it, and its item is worked on again by another one. A program that ends otherwise than with
/// exit code 0, takes too long, or writes more than 64 MiB, is an error of that item, which tells what it wrote to standard error.
///
/// A start takes some milliseconds: let items be as large as suits, for instance thousands of lines each. One program
/// that reads all items, or writes them, is no stage: it is the pipeline's source (its [`Output`](crate::Output) has lines) or its sink (its
/// [`CommandInput`](crate::CommandInput) is written to).
///
/// ```
/// use callboard::pipeline::{CommandStage, Pipeline, StageOptions, Workers};
/// use serde_bytes::ByteBuf;
///
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let texts = ["a few", "words"].map(ByteBuf::from);
/// let mut shouted = Vec::new();
/// Pipeline::source(texts)
///     .stage(StageOptions::new("shout").workers(2), CommandStage::new(&node, "tr").args(["a-z", "A-Z"]))
///     .run(&node, Workers::Processes, |text| shouted.push(String::from_utf8_lossy(&text).into_owned()))?;
/// shouted.sort();
/// assert_eq!(shouted, ["A FEW", "WORDS"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use = "it is given to a pipeline"]
pub struct CommandStage {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    /// As text of the system: a path has to be UTF-8 on its way.
    cwd: Option<OsString>,
    timeout: Option<Duration>,
    home: Home,
}

impl CommandStage {
    /// Runs `program`, found as [`Node::command`] finds it, with each worker's environment and working directory. `node` is that of the pipeline.
    pub fn new(node: &Node, program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            timeout: None,
            home: Home(Arc::clone(node.runtime())),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Its working directory.
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.cwd = Some(path.as_ref().as_os_str().to_owned());
        self
    }

    /// Kills it, and fails its item, if it has not ended so long after its start. It has all the time it takes unless this is set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Stage for CommandStage {
    type In = ByteBuf;
    type Out = ByteBuf;

    fn item(&mut self, item: ByteBuf, out: &mut Outputs<ByteBuf>) -> Result<(), Box<dyn Error>> {
        let mut command = StartCommand::new(&self.home.0, &self.program).args(&self.args);
        for (key, value) in &self.env {
            command = command.env(key, value);
        }
        if let Some(cwd) = &self.cwd {
            command = command.cwd(cwd);
        }
        let output = match self.timeout {
            Some(timeout) => command.output_timeout(&item, timeout),
            None => command.output(&item),
        }?;
        if let Err(end) = output.end {
            let program = self.program.to_string_lossy();
            return Err(format!("the program {program:?}: {end}{}", last_words(&output.stderr)).into());
        }
        out.put(&ByteBuf::from(output.stdout));
        Ok(())
    }
}

/// What a program said last.
fn last_words(stderr: &[u8]) -> String {
    let from = stderr.len().saturating_sub(TOLD_BYTES);
    let said = String::from_utf8_lossy(&stderr[from..]);
    match said.trim() {
        "" => String::new(),
        said => format!(": {said}"),
    }
}

/// The node that a stage works on: where it was made, and then wherever it has come to.
#[derive(Clone)]
struct Home(Arc<Runtime>);

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }
}

/// As nothing: it is another node at the far end.
impl Serialize for Home {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Home {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        scope::current()
            .map(Self)
            .ok_or_else(|| D::Error::custom("a stage of programs is decoded by a worker alone"))
    }
}
