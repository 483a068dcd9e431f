//! The bare actix handler: reads a request's body and returns bytes given at the start. It runs as a
//! process of its own, as the node does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};

/// `bench bare FILE`: serves the bytes of FILE on a free port, whose address it prints.
pub fn serve(args: &[String]) -> Result<()> {
    let bytes = web::Bytes::from(std::fs::read(args.first().context("bench bare FILE")?)?);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let bytes = bytes.clone();
            App::new().default_service(web::to(move |_body: web::Bytes| {
                let bytes = bytes.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(bytes) }
            }))
        })
        .workers(2)
        .bind("127.0.0.1:0")?;
        let address = server.addrs().first().copied().context("no address")?;
        println!("{address}");
        std::io::stdout().flush()?;
        server.run().await.context("serving")
    })
}

/// A running bare handler.
pub struct Bare {
    pub address: String,
    child: Child,
}

impl Bare {
    pub fn start(dir: &Path, bytes: &[u8]) -> Result<Bare> {
        let file = dir.join("answer.json");
        std::fs::write(&file, bytes)?;
        let mut child = Command::new(std::env::current_exe()?).arg("bare").arg(&file).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut address)?;
        Ok(Bare { address: address.trim().to_owned(), child })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
