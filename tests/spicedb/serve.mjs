// Serves SpiceDB's gRPC API on a port of 127.0.0.1, from its shared library: the library itself listens for streams
// only, on a socket; its other calls are C functions, which library.c makes. As with `spicedb serve-testing`, every
// bearer token has a store of its own, empty at first. Prints the address, and ends with its stdin.
//
// usage: node serve.mjs LIBRARY-PROGRAM LIBSPICEDB
import { spawn } from "node:child_process";
import { createServer, connect } from "node:http2";
import { connect as socket } from "node:net";

const [program, library] = process.argv.slice(2);
const START = 0;
const FUNCTIONS = new Map([
  ["/authzed.api.v1.PermissionsService/CheckPermission", 1],
  ["/authzed.api.v1.PermissionsService/CheckBulkPermissions", 2],
  ["/authzed.api.v1.PermissionsService/ExpandPermissionTree", 3],
  ["/authzed.api.v1.PermissionsService/WriteRelationships", 4],
  ["/authzed.api.v1.PermissionsService/DeleteRelationships", 5],
  ["/authzed.api.v1.SchemaService/ReadSchema", 6],
  ["/authzed.api.v1.SchemaService/WriteSchema", 7],
]);
const STREAMS = new Set([
  "/authzed.api.v1.PermissionsService/ReadRelationships",
  "/authzed.api.v1.PermissionsService/LookupResources",
  "/authzed.api.v1.PermissionsService/LookupSubjects",
  "/authzed.api.v1.WatchService/Watch",
]);
const CODES = [
  "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
  "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
  "DataLoss", "Unauthenticated",
];
const [UNKNOWN, INVALID, UNIMPLEMENTED, INTERNAL] = [2, 3, 12, 13];

// --- calls of the C functions

const child = spawn(program, [library], { stdio: ["pipe", "pipe", "inherit"] });
child.on("exit", (code) => process.exit(code ?? 1));
const waiting = new Map();
let next = 1;
let rest = Buffer.alloc(0);

child.stdout.on("data", (data) => {
  rest = rest.length ? Buffer.concat([rest, data]) : data;
  while (rest.length >= 12 && rest.length >= 12 + rest.readUInt32LE(8)) {
    const end = 12 + rest.readUInt32LE(8);
    const [id, failed, bytes] = [rest.readUInt32LE(0), rest.readUInt32LE(4) !== 0, Buffer.from(rest.subarray(12, end))];
    rest = rest.subarray(end);
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (failed) reject(new Error(bytes.toString()));
    else resolve(bytes);
  }
});

function call(name, instance, bytes) {
  const id = next++;
  const head = Buffer.alloc(20);
  head.writeUInt32LE(id, 0);
  head.writeUInt32LE(name, 4);
  head.writeBigUInt64LE(BigInt(instance), 8);
  head.writeUInt32LE(bytes.length, 16);
  child.stdin.write(Buffer.concat([head, bytes]));
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

// --- one instance a token

const instances = new Map();

function instance(token) {
  if (!instances.has(token)) {
    instances.set(token, call(START, 0, Buffer.alloc(0)).then((json) => {
      const started = JSON.parse(json.toString());
      if (!started.success) throw new Error(started.error);
      const { handle, streaming_address: address } = started.data;
      const session = connect("http://spicedb", { createConnection: () => socket(address) });
      session.on("error", (error) => console.error(`SpiceDB's socket: ${error.message}`));
      return { handle, session };
    }));
  }
  return instances.get(token);
}

// --- errors: the C functions give code and text; the reason, which they drop, is told from the text

const REASONS = [
  [/exceeded the allowable maximum depth|max depth exceeded/, "MAXIMUM_DEPTH_EXCEEDED"],
  [/too many updates/, "TOO_MANY_UPDATES_IN_REQUEST"],
  [/^precondition count of/, "TOO_MANY_PRECONDITIONS_IN_REQUEST"],
  [/unable to satisfy write precondition/, "WRITE_OR_DELETE_PRECONDITION_FAILURE"],
  [/found more than one update with relationship/, "UPDATES_ON_SAME_RELATIONSHIP"],
  [/could not CREATE/, "ATTEMPT_TO_RECREATE_RELATIONSHIP"],
  [/exceeded maximum allowed caveat size/, "MAX_RELATIONSHIP_CONTEXT_SIZE"],
  [/relationships to be deleted and partial deletion was not requested/, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE"],
  [/greater than maximum allowed/, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT"],
  [/relationship filter provided is not valid/, "INVALID_FILTER"],
  [/evaluation error for caveat/, "CAVEAT_EVALUATION_ERROR"],
  [/type error for parameters for caveat/, "CAVEAT_PARAMETER_TYPE_ERROR"],
  [/subjects of type .* are not allowed on relation/, "INVALID_SUBJECT_TYPE"],
  [/cannot write a relationship to permission/, "CANNOT_UPDATE_PERMISSION"],
  [/caveat .* not found/, "UNKNOWN_CAVEAT"],
  [/wildcard/, "WILDCARD_NOT_ALLOWED"],
  [/relation\/permission `.*` not found/, "UNKNOWN_RELATION_OR_PERMISSION"],
  [/object definition `.*` not found/, "UNKNOWN_DEFINITION"],
];

function reason(path, code, message) {
  if (path.endsWith("/WriteSchema")) {
    if (CODES[code] === "FailedPrecondition") return "SCHEMA_TYPE_ERROR";
    if (code !== INVALID) return undefined;
    return /^cannot (delete|remove)/.test(message) ? "SCHEMA_TYPE_ERROR" : "SCHEMA_PARSE_ERROR";
  }
  return REASONS.find(([text]) => text.test(message))?.[1];
}

/** One length-delimited protobuf field. */
function field(number, bytes) {
  const length = [];
  let n = bytes.length;
  for (; n > 127; n >>= 7) length.push((n & 127) | 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, n]), Buffer.from(bytes)]);
}

function trailers(path, error) {
  const [, name, text] = /^rpc error: code = (\w+) desc = ([^]*)$/.exec(error.message) ?? [null, null, error.message];
  const code = name === null ? UNKNOWN : Math.max(CODES.indexOf(name), UNKNOWN);
  const all = { "grpc-status": String(code), "grpc-message": encodeURIComponent(text) };
  const why = reason(path, code, text);
  if (why) {
    const info = Buffer.concat([field(1, Buffer.from(`ERROR_REASON_${why}`)), field(2, Buffer.from("authzed.com"))]);
    const any = [field(1, Buffer.from("type.googleapis.com/google.rpc.ErrorInfo")), field(2, info)];
    const status = [Buffer.from([8, code]), field(2, Buffer.from(text)), field(3, Buffer.concat(any))];
    all["grpc-status-details-bin"] = Buffer.concat(status).toString("base64");
  }
  return all;
}

// --- the server

const HEADERS = { ":status": 200, "content-type": "application/grpc" };

function fail(stream, all) {
  if (!stream.destroyed && !stream.headersSent) stream.respond({ ...HEADERS, ...all }, { endStream: true });
}

async function body(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function unary(stream, path, token) {
  const request = await body(stream);
  const { handle } = await instance(token);
  const answer = await call(FUNCTIONS.get(path), handle, request.subarray(5));
  if (stream.destroyed) return;
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(answer.length, 1);
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.concat([prefix, answer]));
}

async function streaming(stream, headers, token) {
  const { session } = await instance(token);
  const { ":path": path, "content-type": type, te } = headers;
  const inner = session.request({ ":method": "POST", ":path": path, "content-type": type, te });
  let end = { "grpc-status": String(INTERNAL), "grpc-message": "the stream broke" };
  inner.on("response", (answer) => {
    if (stream.destroyed) return;
    if (answer["grpc-status"] !== undefined) return fail(stream, pick(answer));
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(end));
    inner.pipe(stream);
  });
  inner.on("trailers", (all) => (end = pick(all)));
  inner.on("error", () => stream.destroyed || stream.close());
  stream.on("close", () => inner.close());
  stream.pipe(inner);
}

function pick(headers) {
  const wanted = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
  return Object.fromEntries(wanted.filter((name) => name in headers).map((name) => [name, headers[name]]));
}

const server = createServer();
const served = new WeakMap();
server.on("stream", (stream, headers) => {
  // SpiceDB bids a connection goodbye after 30 seconds; here every hundredth call does, for clients to get used to it,
  // unless they say by their token that they try nothing again.
  const count = (served.get(stream.session) ?? 0) + 1;
  served.set(stream.session, count);
  const path = headers[":path"];
  const token = headers.authorization ?? "";
  if (count === 100 && !token.startsWith("Bearer keep-")) stream.session.close();
  stream.on("error", () => {});
  let running;
  if (FUNCTIONS.has(path)) running = unary(stream, path, token);
  else if (STREAMS.has(path)) running = streaming(stream, headers, token);
  else return fail(stream, { "grpc-status": String(UNIMPLEMENTED), "grpc-message": "not in the library" });
  running.catch((error) => fail(stream, trailers(path, error)));
});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
