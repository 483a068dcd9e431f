//! `make demo`: the whole story on real input. Each step prints what it did and what it verified; the
//! first thing that is not as it should be ends the demo with a non-zero exit.
#![forbid(unsafe_code)]

mod app;
mod canary;
mod crash;
mod films;
mod people;
mod replicas;
mod story;

use std::process::ExitCode;

use anyhow::Result;

#[tokio::main]
async fn main() -> ExitCode {
    let begun = std::time::Instant::now();
    match run().await {
        Ok(()) => {
            println!("\nEvery step is as it should be. {:.0} s.", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nDEMO FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut story = story::Story::begin().await?;
    films::walkthrough(&mut story).await?;
    films::import(&mut story).await?;
    people::apart(&mut story).await?;
    let app = app::consent(&mut story).await?;
    app::reads_what_was_granted_and_nothing_else(&mut story, &app).await?;
    canary::plant(&mut story).await?;
    replicas::blind(&mut story).await?;
    replicas::second_device(&mut story).await?;
    crash::kill_in_mid_import(&mut story).await?;
    app::revoke(&mut story, &app).await?;
    Ok(())
}
