//! The `allod` binary.

fn main() {
    std::process::exit(gateway::cli::run());
}
