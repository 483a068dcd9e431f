//! The `allod` command line: run with `--json`, judged by exit code.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The binary under test.
#[derive(Debug, Clone)]
pub struct Allod {
    bin: PathBuf,
    /// Variables of every command.
    env: Vec<(OsString, OsString)>,
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    /// The one JSON value on stdout; null if stdout was empty.
    pub json: Value,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The JSON of a command that must have succeeded.
    pub fn ok(self) -> Result<Value> {
        ensure!(self.code == 0, "exit {} instead of 0\nstdout: {}\nstderr: {}", self.code, self.stdout, self.stderr);
        Ok(self.json)
    }

    /// The error code of a command that must have failed with this exit code.
    pub fn refused(self, code: i32) -> Result<String> {
        ensure!(
            self.code == code,
            "exit {} instead of {code}\nstdout: {}\nstderr: {}",
            self.code,
            self.stdout,
            self.stderr
        );
        let error = &self.json["error"];
        ensure!(error["message"].is_string(), "no error message in {}", self.stdout);
        Ok(error["code"].as_str().context("an error without code")?.to_owned())
    }
}

impl Allod {
    /// The binary named by `ALLOD_BIN`, or the one beside this executable's target directory.
    pub fn find() -> Result<Self> {
        if let Some(bin) = std::env::var_os("ALLOD_BIN") {
            let bin = PathBuf::from(bin);
            ensure!(bin.is_file(), "ALLOD_BIN names no file: {}", bin.display());
            return Ok(Allod { bin, env: Vec::new() });
        }
        let here = std::env::current_exe()?;
        for dir in here.ancestors().skip(1).take(3) {
            let bin = dir.join("allod");
            if bin.is_file() {
                return Ok(Allod { bin, env: Vec::new() });
            }
        }
        bail!("no allod binary beside {}: build it, or name it in ALLOD_BIN", here.display())
    }

    /// The same binary, each of its commands with a variable more.
    pub fn with(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.into(), value.as_ref().to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        &self.bin
    }

    /// A command on a data directory, not yet run.
    pub fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        command.args(args).arg("--data").arg(dir).arg("--json").stdin(Stdio::null());
        command.env_remove("ALLOD_DATA").envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs a command on a data directory to its end.
    pub fn run(&self, dir: &Path, args: &[&str]) -> Result<Outcome> {
        let output = self.command(dir, args).output().with_context(|| format!("running {}", self.bin.display()))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = match stdout.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .with_context(|| format!("`allod {}` did not print one JSON value: {stdout}", args.join(" ")))?,
        };
        Ok(Outcome { code: output.status.code().unwrap_or(-1), json, stdout, stderr })
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, dir: &Path, args: &[&str]) -> Result<Value> {
        self.run(dir, args)?.ok().with_context(|| format!("allod {}", args.join(" ")))
    }
}
