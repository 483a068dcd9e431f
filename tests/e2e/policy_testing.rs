//! `allod policy serve-testing`: SpiceDB's API from memory, for suites of its clients.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Allod;
use serde_json::Value;
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use spicedb_grpc_tonic::v1::watch_service_client::WatchServiceClient;
use spicedb_grpc_tonic::v1::{ReadSchemaRequest, WatchRequest, WriteSchemaRequest};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

struct Server {
    child: Child,
    ready: Value,
    _root: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(args: &[&str]) -> Server {
        let root = tempfile::tempdir().unwrap();
        let args = [&["policy", "serve-testing", "--listen", "127.0.0.1:0"], args].concat();
        let mut command = Allod::find().unwrap().command(&root.path().join("no-node"), &args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!root.path().join("no-node").exists());
        Server { child, ready: serde_json::from_str(&line).unwrap(), _root: root }
    }

    fn at(&self, which: &str) -> Channel {
        let address = self.ready[which].as_str().unwrap();
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
    }

    /// Ends it as an operator does; the exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it still runs after SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn each_token_has_a_store_of_its_own_and_readers_a_door_of_their_own() {
    let server = Server::start(&["--readonly-listen", "127.0.0.1:0"]);
    assert_eq!(server.ready["event"], "ready");
    let mut schema = SchemaServiceClient::new(server.at("listen"));
    let written = WriteSchemaRequest { schema: "definition user {}".to_owned() };
    schema.write_schema(bearing("one", written.clone())).await.unwrap();
    assert!(schema.read_schema(bearing("one", ReadSchemaRequest {})).await.is_ok());
    let other = schema.read_schema(bearing("other", ReadSchemaRequest {})).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound);
    let mut reader = SchemaServiceClient::new(server.at("readonly_listen"));
    assert!(reader.read_schema(bearing("one", ReadSchemaRequest {})).await.is_ok());
    let refused = reader.write_schema(bearing("one", written)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    // A watch that nobody ends does not hold the end up.
    let mut watch = WatchServiceClient::new(server.at("listen"));
    let _watching = watch.watch(bearing("one", WatchRequest::default())).await.unwrap();
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn what_cannot_be_listened_on_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let allod = Allod::find().unwrap();
    let root = tempfile::tempdir().unwrap();
    for address in [address.as_str(), "nowhere"] {
        let outcome = allod.run(&root.path().join("no-node"), &["policy", "serve-testing", "--listen", address]);
        assert_eq!(outcome.unwrap().refused(1).unwrap(), "listen_failed", "{address}");
    }
}
