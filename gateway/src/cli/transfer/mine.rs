//! `allod export --mine`: everything of one's own, as the node hands it out.

use std::io::{IsTerminal, Write};
use std::path::Path;

use gateway_transfer::Part;
use serde_json::{Value, json};

use super::super::login::{code, password};
use super::super::output::{Failure, progress};
use super::super::remote::{Remote, Response};
use super::file::is_std;

const ROUTE: &str = "/api/v1/me/export";

/// Writes all of it into `file`, once whoever asks has said their password again.
pub async fn export(node: &Remote, file: &Path, force: bool, password_file: Option<&Path>) -> Result<Value, Failure> {
    let part = if is_std(file) { None } else { Some(Part::of(file, force)?) };
    let mut out: Box<dyn Write> = match &part {
        Some(part) => Box::new(part.file()?),
        None => Box::new(std::io::stdout()),
    };
    let bar = progress("bytes");
    let mut end = End::default();
    let mut answer = receive(node, &mut *out, &mut end, &bar).await?;
    if answer.status == 401 && answer.json["code"] == "insufficient_user_authentication" {
        confirm(node, password_file).await?;
        answer = receive(node, &mut *out, &mut end, &bar).await?;
    }
    answer.ok()?;
    out.flush().map_err(|error| unwritten(&error))?;
    drop(out);
    bar.finish_and_clear();
    if !end.is_there() {
        let text = "the node stopped before the end: the file would not be whole";
        return Err(Failure::failed("export_cut_off", text).hint("the node's log says why; try again"));
    }
    part.map_or(Ok(()), Part::finish)?;
    Ok(json!({ "file": file, "bytes": end.bytes }))
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::failed("file_failed", &format!("writing failed: {error}"))
}

async fn receive(
    node: &Remote,
    out: &mut dyn Write,
    end: &mut End,
    bar: &indicatif::ProgressBar,
) -> Result<Response, Failure> {
    node.stream(ROUTE, |bytes| {
        end.follow(bytes);
        bar.inc_length(bytes.len() as u64);
        bar.inc(bytes.len() as u64);
        out.write_all(bytes).map_err(|error| unwritten(&error))
    })
    .await
}

/// Gives the password again, from a file or asked for; a code of the second factor is asked for where one is needed.
async fn confirm(node: &Remote, file: Option<&Path>) -> Result<(), Failure> {
    let password = password(file, "Password, once more: ")?;
    let mut body = json!({ "password": password.as_str() });
    match node.post("/api/v1/session/confirm", &body).await {
        Err(failure) if failure.code == "totp_needed" && std::io::stdin().is_terminal() => {
            body["totp"] = code()?.into();
            node.post("/api/v1/session/confirm", &body).await.map(drop)
        }
        done => done.map(drop),
    }
}

/// The last bytes of what came: the last line says that it is all.
#[derive(Default)]
struct End {
    last: Vec<u8>,
    bytes: u64,
}

impl End {
    fn follow(&mut self, bytes: &[u8]) {
        const KEPT: usize = 256;
        self.bytes += bytes.len() as u64;
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        self.last.drain(..self.last.len().saturating_sub(KEPT));
    }

    fn is_there(&self) -> bool {
        let line = self.last.strip_suffix(b"\n").and_then(|text| text.rsplit(|&byte| byte == b'\n').next());
        line.is_some_and(|line| line.starts_with(b"{\"end\":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_that_it_is_whole() {
        let text = format!("{}\n{{\"end\":{{\"lines\":2}}}}\n", "x".repeat(1_000));
        for size in [1, 7, 100, 5_000] {
            let mut end = End::default();
            text.as_bytes().chunks(size).for_each(|part| end.follow(part));
            assert!(end.is_there() && end.bytes == text.len() as u64, "{size}");
        }
        for cut in ["", "{\"end\":", "{\"end\":{\"lines\":2}}", "x\n"] {
            let mut end = End::default();
            end.follow(cut.as_bytes());
            assert!(!end.is_there(), "{cut}");
        }
    }
}
