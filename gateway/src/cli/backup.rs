//! `allod backup`, `allod restore`, `allod recovery`: the node of the directory does what is asked while it runs, else the
//! command does it on the directory.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gateway_config::Flags;
use reqwest::Method;
use serde_json::Value;
use vault::data_dir::write_private;
use vault::keyring::{DirectoryError, NodeKey};

use super::Common;
use super::at::{At, KeyFlags, whole};
use super::kept::KeptPlaces;
use super::node::{read_password, read_private};
use super::output::{Exit, Failure, lines, print, progress};
use super::remote::Remote;
use crate::backup::{Chosen, Keep};
use crate::front::backups::{
    BackupChoice, ListBackups, ListRecoveryWays, MakeRecoveryWords, NewBackup, NodeRequest, OwnerPassword,
    PruneBackups, RecoveryWords, Wake, WhatSleeps,
};
use crate::node_file::{Absent, NodeFile, ServedBy};
use crate::places::{PlaceAccess, PlaceName};

#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Add a backup to a directory, a bucket or a place at another node: encrypted, and only what is new since the last one
    Create {
        #[command(flatten)]
        at: At,
        /// Restore it into a scratch directory and compare [default: of a log of up to 64 MiB]
        #[arg(long, overrides_with = "no_verify")]
        verify: bool,
        /// Do not restore it for a test
        #[arg(long)]
        no_verify: bool,
        /// This directory is the one that counts: add it also where the newest backup of the place is none that it made or was
        /// restored from, or cannot be read
        #[arg(long = "continue")]
        go_on: bool,
    },
    /// The backups of a place, the newest first
    List {
        #[command(flatten)]
        at: At,
    },
    /// Restore a backup into a scratch directory, and compare it with what the node showed: done only if all of it is the same
    Verify {
        /// Its id, or the beginning of it [default: the newest]
        backup: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Remove backups but for the last of so many days, weeks and months
    Prune {
        #[command(flatten)]
        at: At,
        #[arg(long, value_name = "N", default_value_t = 0)]
        keep_daily: usize,
        #[arg(long, value_name = "N", default_value_t = 0)]
        keep_weekly: usize,
        #[arg(long, value_name = "N", default_value_t = 0)]
        keep_monthly: usize,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Keep a place for the backups of another node: add, list, remove
    #[command(subcommand)]
    Place(KeptPlaces),
    /// Print the recovery words once more, which open the backups
    Key {
        /// A file that holds the owner's password; `-` reads it from stdin
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
}

/// How places are reached, as environment and file say.
fn access(common: &Common) -> Result<PlaceAccess, Failure> {
    let mut warnings = Vec::new();
    let access = super::places::access(&super::config::load(common, &Flags::default())?, &mut warnings)?;
    warnings.iter().for_each(|warning| super::logging::line(&format!("warning: {warning}")));
    Ok(access)
}

/// Has the node of the directory do it, or does it in its place.
async fn ask<R: NodeRequest>(common: &Common, request: R) -> Result<Value, Failure> {
    let dir = common.dir()?;
    match NodeFile::read(&dir, ServedBy::Node) {
        Err(Absent::NotRunning) => {}
        _ => {
            let remote = Remote::of(&dir)?;
            let body = serde_json::to_value(&request).map_err(|error| Failure::failed("failed", &error.to_string()))?;
            let (method, body) = if R::METHOD == "GET" { (Method::GET, None) } else { (Method::POST, Some(&body)) };
            return remote.call(method, R::PATH, body).await;
        }
    }
    if !NodeKey::exists(&dir) {
        return Err(DirectoryError::NotANode(dir.path().to_owned()).into());
    }
    let access = access(common)?;
    let _lock = dir.lock()?;
    let passphrase = common.passphrase(&dir)?;
    let app = crate::app::open(&dir, passphrase.as_ref().map(|text| text.as_str()), false).await?;
    let _ = app.access_to_places.set(access);
    crate::backup::remember(&app).await;
    let done = request.run(&app).await;
    app.shutdown().await;
    done
}

impl Backup {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let value = match self {
            Backup::Create { at, verify, no_verify, go_on } => {
                let (to, place_key) = at.read()?;
                let verify = if verify || no_verify { Some(!no_verify) } else { None };
                ask(common, NewBackup { to, place_key, verify, go_on }).await?
            }
            Backup::List { at } => {
                let (to, place_key) = at.read()?;
                ask(common, ListBackups(BackupChoice { to, place_key, backup: None })).await?
            }
            Backup::Verify { backup, at } => {
                let (to, place_key) = at.read()?;
                ask(common, BackupChoice { to, place_key, backup }).await?
            }
            Backup::Place(places) => places.run(common).await?,
            Backup::Prune { at, keep_daily, keep_weekly, keep_monthly, dry_run } => {
                let keep = Keep { daily: keep_daily, weekly: keep_weekly, monthly: keep_monthly };
                let (to, place_key) = at.read()?;
                ask(common, PruneBackups { to, place_key, keep, dry_run }).await?
            }
            Backup::Key { password_file } => {
                let password = read_password(&password_file)?.to_string();
                ask(common, OwnerPassword { password }).await?
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

#[derive(Debug, Subcommand)]
pub enum Recovery {
    /// Make the 24 words that open the backups of this node, once
    Create {
        /// Write them to a new file, for your eyes only, instead of printing them
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Read the words back from a file, as a test that they were written down rightly
    Confirm {
        /// A file that holds the words; `-` reads them from stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Whether there are words, and whether they were tested
    Status,
}

/// Writes the words to a file that is not there yet.
pub fn write_words(file: &Path, words: &str) -> Result<(), Failure> {
    let name = file.display().to_string();
    let failed = |error: std::io::Error| {
        let text = format!("the words could not be written to {name}: {error}");
        Failure::failed("recovery_file", &text).hint("the node has them: `allod backup key` prints them")
    };
    // A plain name has no directory that could be synced.
    let file = std::path::absolute(file).map_err(|error| Failure::usage("path", &error.to_string()))?;
    write_private(&file, format!("{words}\n").as_bytes()).map_err(failed)
}

/// Refuses a file that is there: what lies in it may be the words of another node.
pub fn is_fresh(file: &Path) -> Result<(), Failure> {
    if file.symlink_metadata().is_ok() {
        let text = format!("{} is there already; nothing was changed", file.display());
        return Err(Failure::usage("recovery_file_exists", &text).hint("name a new file"));
    }
    Ok(())
}

impl Recovery {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let value = match self {
            Recovery::Create { file: None } => ask(common, MakeRecoveryWords {}).await?,
            Recovery::Create { file: Some(file) } => {
                is_fresh(&file)?;
                let made = ask(common, MakeRecoveryWords {}).await?;
                write_words(&file, made["words"].as_str().unwrap_or_default())?;
                serde_json::json!({ "file": file })
            }
            Recovery::Confirm { file } => {
                let words = read_private(&file)?.to_string();
                ask(common, RecoveryWords { words }).await?
            }
            Recovery::Status => ask(common, ListRecoveryWays {}).await?,
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

/// `allod restore`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Restore {
    #[command(subcommand)]
    command: Option<AfterRestore>,
    /// The place of the backups: a directory, s3://BUCKET/PREFIX, or https://HOST/places/NAME (by what ALLOD_BACKUP_… or
    /// --config say)
    #[arg(long, value_name = "PLACE", required = true)]
    from: Option<PlaceName>,
    /// The id of a backup, or the beginning of it [default: the newest]
    #[arg(long, value_name = "ID")]
    backup: Option<String>,
    /// Take it also if it shows other documents than the node did
    #[arg(long)]
    unverified: bool,
    /// A file that holds the 24 recovery words; `-` reads them from stdin
    #[arg(long, value_name = "FILE", required = true)]
    recovery_key_file: Option<PathBuf>,
    #[command(flatten)]
    key: KeyFlags,
}

#[derive(Debug, Subcommand)]
enum AfterRestore {
    /// Wake what sleeps since the restore: apps, links, and what is shared
    Confirm,
    /// What sleeps since the restore
    Status,
}

impl Restore {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let value = match (self.command, self.from, self.recovery_key_file) {
            (Some(AfterRestore::Confirm), ..) => ask(common, Wake {}).await?,
            (Some(AfterRestore::Status), ..) => ask(common, WhatSleeps {}).await?,
            (None, Some(from), Some(file)) => {
                let dir = common.dir()?;
                let words = read_private(&file)?;
                let passphrase = match &common.passphrase_file {
                    Some(file) => Some(read_private(file)?),
                    None => None,
                };
                let passphrase = passphrase.as_ref().map(|text| text.as_str());
                let from = whole(from)?;
                let key = self.key.read()?.map(|key| key.read()).transpose()?;
                let access = access(common)?.with(&from, key);
                let bar = progress("restoring");
                let shown = bar.clone();
                let tell = move |done, all| {
                    shown.set_length(all);
                    shown.set_position(done);
                };
                let chosen = Chosen { backup: self.backup.as_deref(), unverified: self.unverified };
                let restored = crate::backup::restore(&from, &access, chosen, &words, &dir, passphrase, tell);
                let restored = restored.await;
                bar.finish_and_clear();
                serde_json::to_value(restored?).map_err(|error| Failure::failed("failed", &error.to_string()))?
            }
            (None, ..) => return Err(Failure::usage("usage", "say --from and --recovery-key-file")),
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}
