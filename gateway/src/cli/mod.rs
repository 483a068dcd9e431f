//! The command line. Roles are subcommands; `--json` prints one JSON value on stdout.

mod account;
mod app_password;
mod at;
mod audit;
mod backup;
mod client;
mod config;
mod devices;
mod duration;
mod harden;
mod kept;
mod logging;
mod login;
mod mail;
mod node;
mod output;
mod passphrase;
mod people;
mod places;
mod policy;
mod quota;
mod remote;
mod replica;
mod requests;
mod s3;
mod sharing;
mod size;
mod status;
mod tls;
mod trace;
mod transfer;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use gateway_trace::Tracing;

use output::{Exit, Failure};
use vault::data_dir::DataDir;

/// Personal cloud, held outright: data in an encrypting vault, apps as visitors, replicas you choose.
#[derive(Debug, Parser)]
#[command(name = "allod", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The data directory [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "ALLOD_DATA", alias = "rootdir")]
    data: Option<PathBuf>,
    /// The file with settings [default: allod.toml in the data directory, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "ALLOD_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON value on stdout; progress and logs go to stderr
    #[arg(long, global = true)]
    json: bool,
    /// A file that holds the passphrase of the node key; `init` and `device join` seal the key under it
    #[arg(long, global = true, value_name = "FILE", env = "ALLOD_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Speak as the person, and to the node, of a file that `allod login` made, and not as the operator of the directory
    #[arg(long, global = true, value_name = "FILE", env = "ALLOD_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Common {
    /// The passphrase of the node key, from its file; asked for where a person can answer and the key
    /// of `dir` needs one.
    pub fn passphrase(&self, dir: &DataDir) -> Result<Option<zeroize::Zeroizing<String>>, Failure> {
        use std::io::IsTerminal;
        if let Some(file) = &self.passphrase_file {
            return node::read_private(file).map(Some);
        }
        if vault::keyring::NodeKey::needs_passphrase(dir) && std::io::stdin().is_terminal() {
            let asked = rpassword::prompt_password("Passphrase of the node key: ");
            return asked
                .map(|text| Some(zeroize::Zeroizing::new(text)))
                .map_err(|error| Failure::usage("passphrase_unreadable", &error.to_string()));
        }
        Ok(None)
    }

    /// The node that a command speaks to: as the person of `--token-file`, else as the operator of the directory.
    pub fn node(&self) -> Result<remote::Remote, Failure> {
        match &self.token_file {
            Some(file) => login::TokenFile::read(file)?.node(),
            None => remote::Remote::of(&self.dir()?),
        }
    }

    /// `--data`, else `ALLOD_DATA`, else `$XDG_DATA_HOME/allod` or `~/.local/share/allod`.
    pub fn dir(&self) -> Result<DataDir, Failure> {
        if let Some(dir) = &self.data {
            return Ok(DataDir::at(dir));
        }
        let base = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
        base.map(|base| DataDir::at(base.join("allod")))
            .ok_or_else(|| Failure::usage("no_data_dir", "there is no home directory; name one with --data"))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a directory a node: the same as the setup page
    Init(node::Init),
    /// Run the node
    #[command(alias = "start")]
    Serve(node::Serve),
    /// How the node is, on one screen
    Status,
    /// Print a new link to set up the running node by; the one before it is good no more
    SetupLink,
    /// What the node is told by flags, environment and allod.toml, and who said what
    Config(config::Config),
    /// The certificates of the node
    #[command(subcommand)]
    Tls(tls::Tls),
    /// Stop the running node or replica; when this ends, the last acknowledged write is safe
    Stop,
    /// Wait until the node or replica of the data directory answers
    Wait(node::Wait),
    /// Whether a node can serve: exit 0 when it can
    Healthcheck(node::Healthcheck),
    /// Sign in to a node, here or elsewhere, and keep what it gives in the file of --token-file
    Login(login::Login),
    /// End the session of --token-file, and remove the file
    Logout(login::Logout),
    /// One's own password
    #[command(subcommand)]
    Password(account::Password),
    /// One's own sessions
    #[command(subcommand)]
    Session(account::Session),
    /// Write documents into a file: what one may read of them
    Export(transfer::Export),
    /// Add the documents of a file
    Import(transfer::Import),
    /// Backups of the node: encrypted, incremental, with everything that the node holds
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Make an empty directory the node that a backup was taken of, as a new device
    Restore(backup::Restore),
    /// The 24 words that open backups
    #[command(subcommand)]
    Recovery(backup::Recovery),
    /// The passphrase of the node key
    #[command(subcommand)]
    Passphrase(passphrase::Passphrase),
    /// Look at everything: files, log, views, clock, disk, peers, certificates; what to do; and digests of all spaces
    Doctor(node::Doctor),
    /// Tenants: households and firms on this node
    #[command(subcommand)]
    Tenant(people::Tenant),
    /// People of this node
    #[command(subcommand)]
    User(people::User),
    /// How much each person may have
    #[command(subcommand)]
    Quota(quota::Quota),
    Audit(audit::Audit),
    /// Groups of people
    #[command(subcommand)]
    Group(sharing::Group),
    /// What is shared with whom
    #[command(subcommand)]
    Share(sharing::Share),
    /// Folders of documents, to share together
    #[command(subcommand)]
    Folder(sharing::Folder),
    /// Links that show something to whoever has them
    #[command(subcommand)]
    Link(sharing::Link),
    /// Fields that are kept from people
    #[command(subcommand)]
    FieldRule(sharing::FieldRule),
    /// Letters to people
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Apps that may ask for grants
    #[command(subcommand)]
    App(people::AppCommand),
    /// Passwords for tools that can send a name and a password and no more: scripts, clients of old
    #[command(subcommand)]
    AppPassword(app_password::AppPassword),
    /// What apps were granted
    #[command(subcommand)]
    Grant(people::Grant),
    /// What apps ask for beyond what they were granted
    #[command(subcommand)]
    Request(requests::Request),
    /// Ask policy: may this user (through this app) do that?
    Check(people::Check),
    /// The relationship schema, without a node: test, diff, lint, serve
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Devices of an account
    #[command(subcommand)]
    Device(devices::Device),
    /// Blind replicas: ciphertext only
    #[command(subcommand)]
    Replica(replica::Replica),
    /// Syncing with devices and replicas
    #[command(subcommand)]
    Sync(devices::Sync),
    /// Speak to the running node as its operator
    Client(client::Client),
}

impl Command {
    /// Whether it works on a directory, or on what runs there, and not on a node as somebody.
    fn is_of_a_directory(&self) -> bool {
        use Command::{
            Backup, Config, Doctor, Healthcheck, Init, Passphrase, Recovery, Restore, Serve, SetupLink, Status, Stop,
            Wait,
        };
        let backups = matches!(self, Backup(_) | Restore(_) | Recovery(_));
        backups
            || matches!(
                self,
                Init(_)
                    | Serve(_)
                    | Status
                    | SetupLink
                    | Config(_)
                    | Stop
                    | Wait(_)
                    | Healthcheck(_)
                    | Passphrase(_)
                    | Doctor(_)
            )
    }

    /// How it logs, and whom it tells of requests: a node as it is told; everything else logs as `RUST_LOG` says.
    fn told(&self, common: &Common) -> Result<(logging::Style, Option<(gateway_trace::Spans, Tracing)>), Failure> {
        match self {
            Command::Serve(serve) => {
                let settings = serve.flags.load(common)?;
                Ok((config::log(&settings)?, trace::begin(&settings)?))
            }
            _ => Ok((logging::Style::default(), None)),
        }
    }
}

/// Parses the arguments, runs the command, prints its result; returns the exit code.
pub fn run() -> i32 {
    harden::give_back();
    harden::harden();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            if usage && std::env::args().any(|arg| arg == "--json") {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                output::print_failure(&Failure::usage("usage", first), true);
            } else {
                let _ = error.print();
            }
            return if usage { Exit::Usage as i32 } else { 0 };
        }
    };
    let json = cli.common.json;
    let (style, (layer, traces)) = match cli.command.told(&cli.common) {
        Ok((style, told)) => (style, told.unzip()),
        Err(failure) => {
            output::print_failure(&failure, json);
            return failure.exit as i32;
        }
    };
    logging::start(&style, layer);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::print_failure(&Failure::failed("runtime", &error.to_string()), json);
            logging::finish();
            return Exit::Failed as i32;
        }
    };
    let exit = match runtime.block_on(dispatch(cli, traces)) {
        Ok(exit) => exit,
        Err(failure) => {
            output::print_failure(&failure, json);
            failure.exit
        }
    };
    runtime.shutdown_timeout(PATIENCE);
    databases_closed();
    logging::finish();
    exit as i32
}

/// How long the end of the process waits for what still runs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until the threads of the encrypted databases have ended. At the exit of the process SQLCipher
/// takes down what they work with, and a connection that closes at that moment would crash it: a
/// command that is done would seem to have failed.
fn databases_closed() {
    let running = || {
        let threads = std::fs::read_dir("/proc/self/task").ok()?;
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        Some(names.filter(|name| name.starts_with("sqlx-sqlite")).count())
    };
    let deadline = Instant::now() + PATIENCE;
    while running().is_some_and(|threads| threads > 0) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs the command. `traces`: what a node that is served tells a collector.
async fn dispatch(cli: Cli, traces: Option<Tracing>) -> Result<Exit, Failure> {
    let common = &cli.common;
    if common.token_file.is_some() && cli.command.is_of_a_directory() {
        let text = "this command is about a data directory, and nobody does it by a token";
        return Err(Failure::usage("token_file_unused", text).hint("leave --token-file away (and ALLOD_TOKEN_FILE)"));
    }
    match cli.command {
        Command::Init(command) => command.run(common).await,
        Command::Serve(command) => command.run(common, traces).await,
        Command::Config(command) => command.run(common).await,
        Command::Tls(command) => command.run(common),
        Command::Status => status::run(common).await,
        Command::SetupLink => node::setup_link(common).await,
        Command::Stop => node::stop(common).await,
        Command::Wait(command) => command.run(common).await,
        Command::Healthcheck(command) => command.run(common).await,
        Command::Login(command) => command.run(common).await,
        Command::Logout(command) => command.run(common).await,
        Command::Password(command) => command.run(common).await,
        Command::Session(command) => command.run(common).await,
        Command::Export(command) => command.run(common).await,
        Command::Import(command) => command.run(common).await,
        Command::Backup(command) => command.run(common).await,
        Command::Restore(command) => command.run(common).await,
        Command::Recovery(command) => command.run(common).await,
        Command::Passphrase(command) => command.run(common),
        Command::Doctor(command) => command.run(common).await,
        Command::Tenant(command) => command.run(common).await,
        Command::User(command) => command.run(common).await,
        Command::Quota(command) => command.run(common).await,
        Command::Audit(command) => command.run(common).await,
        Command::Group(command) => command.run(common).await,
        Command::Share(command) => command.run(common).await,
        Command::Folder(command) => command.run(common).await,
        Command::Link(command) => command.run(common).await,
        Command::FieldRule(command) => command.run(common).await,
        Command::Mail(command) => command.run(common).await,
        Command::App(command) => command.run(common).await,
        Command::AppPassword(command) => command.run(common).await,
        Command::Grant(command) => command.run(common).await,
        Command::Request(command) => command.run(common).await,
        Command::Check(command) => command.run(common).await,
        Command::Policy(command) => command.run(common).await,
        Command::Device(command) => command.run(common).await,
        Command::Replica(command) => command.run(common).await,
        Command::Sync(command) => command.run(common).await,
        Command::Client(command) => command.run(common).await,
    }
}
