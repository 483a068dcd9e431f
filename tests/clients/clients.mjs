// Clients that others wrote, unchanged, sign in at a node: npm openid-client and oidc-client-ts, with DPoP and without.
// usage: ALLOD_BIN=… node clients.mjs [authlib.py with its interpreter]

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { InMemoryWebStorage, OidcClient, WebStorageStateStore } from "oidc-client-ts";
import * as client from "openid-client";
import { OWNER, startNode } from "../browser/node.mjs";

const BACK = "http://127.0.0.1:9/cb";
const AFTER = "http://127.0.0.1:9/after";
const heard = [];
const listener = createServer((request, answer) => {
  let text = "";
  request.on("data", (chunk) => (text += chunk));
  request.on("end", () => {
    heard.push(new URLSearchParams(text).get("logout_token"));
    answer.end();
  });
});
await new Promise((done) => listener.listen(0, "127.0.0.1", done));
const settings = `[http]\noutbound_allow = ["127.0.0.0/8"]\n[oauth]\nregistration = "open"\nclient_metadata = true\n`;
const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod", { settings });
await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String }" });
const register = (more) => node.operator("POST", "/api/v1/apps", { redirect_uris: [BACK], ...more });

const plain = (html) => html.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** The form of a page: where it goes, and what it sends when nothing is changed but that every field is ticked. */
function form(html) {
  const [, action] = html.match(/<form[^>]*action="([^"]*)"/);
  const fields = new URLSearchParams();
  for (const [input] of html.matchAll(/<input[^>]*>/g)) {
    const of = (name) => input.match(new RegExp(` ${name}="([^"]*)"`))?.[1];
    if (of("name") !== undefined && (of("type") !== "checkbox" || / checked/.test(input) || of("name").startsWith("field-"))) {
      fields.append(of("name"), plain(of("value") ?? ""));
    }
  }
  for (const [, name, options] of html.matchAll(/<select[^>]* name="([^"]*)"[^>]*>(.*?)<\/select>/gs)) {
    const chosen = options.match(/value="([^"]*)" selected/) ?? options.match(/value="([^"]*)"/);
    fields.append(name, plain(chosen[1]));
  }
  return { action, fields };
}

/** A person at a browser: signs in, says yes to whatever is asked, and ends where the app is answered. */
async function browse(start) {
  let answer = await fetch(start, { redirect: "manual" });
  for (let step = 0; step < 4; step++) {
    const to = answer.headers.get("location");
    if (to !== null) return new URL(to);
    const html = await answer.text();
    assert.equal(answer.status, 200, html);
    const { action, fields } = form(html);
    if (fields.has("password")) {
      fields.set("user", OWNER.user);
      fields.set("password", OWNER.password);
    } else {
      fields.set("decision", action === "/oauth/logout" ? "leave" : "allow");
    }
    const url = new URL(action, node.url);
    answer = await fetch(url, { method: "POST", body: fields, redirect: "manual", headers: { origin: node.url } });
  }
  throw new Error("no answer after four steps");
}

async function openidClient() {
  const { client_id, client_secret } = await register({
    name: "openid-client",
    confidential: true,
    require_pushed_authorization_requests: true,
    post_logout_redirect_uris: [AFTER],
    backchannel_logout_uri: `http://127.0.0.1:${listener.address().port}/`,
    access: [{ type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow: ["name"] } }],
  });
  const config = await client.discovery(new URL(node.url), client_id, client_secret, undefined, {
    execute: [client.allowInsecureRequests],
  });
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const asked = {
    redirect_uri: BACK,
    scope: "openid profile",
    state: expectedState,
    nonce: expectedNonce,
    max_age: "300",
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  };
  // Beside PAR it is told that it must not.
  const refused = await browse(client.buildAuthorizationUrl(config, asked));
  assert.equal(refused.searchParams.get("error"), "invalid_request");
  const details = [{ type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow: ["name"] } }];
  for (const more of [{}, { authorization_details: JSON.stringify(details) }]) {
    const url = await client.buildAuthorizationUrlWithPAR(config, { ...asked, ...more });
    assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request_uri"]);
    const back = await browse(url);
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 300 });
    const claims = tokens.claims();
    assert.equal(claims.preferred_username, OWNER.user);
    await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    const known = await client.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([known.active, known.sub], [true, claims.sub]);
    if (tokens.refresh_token !== undefined) {
      const next = await client.refreshTokenGrant(config, tokens.refresh_token);
      await client.fetchUserInfo(config, next.access_token, claims.sub);
    }
    const out = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: AFTER, state: "x" });
    assert.equal((await browse(out)).href, `${AFTER}?state=x`);
    if (Object.keys(more).length === 0) {
      await assert.rejects(client.fetchUserInfo(config, tokens.access_token, claims.sub));
    }
    await client.tokenRevocation(config, tokens.access_token);
    // A request is answered once.
    const again = await fetch(url, { redirect: "manual" });
    assert.equal(again.status, 400);
  }
  // The person takes it back: the app hears of it.
  await node.operator("DELETE", `/api/v1/sign-ins/${client_id}`);
  for (let tries = 0; heard.length === 0 && tries < 200; tries++) await new Promise((done) => setTimeout(done, 50));
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(heard[0], keys, { issuer: node.url, audience: client_id, typ: "logout+jwt" });
  assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
  assert.ok(payload.sub && payload.jti && payload.nonce === undefined);
}

/** Tokens that are bound to a key (DPoP): of an app without a secret, which takes no others. */
async function openidClientDpop() {
  const details = [{ type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow: ["name"] } }];
  const { client_id } = await register({ name: "openid-client with DPoP", dpop_bound_access_tokens: true, access: details });
  const config = await client.discovery(new URL(node.url), client_id, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  });
  assert.deepEqual(config.serverMetadata().dpop_signing_alg_values_supported, ["ES256"]);
  const [DPoP, another] = await Promise.all(
    [0, 1].map(async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"))),
  );
  const asked = async (more) => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
    const parameters = {
      redirect_uri: BACK,
      scope: "openid",
      state: expectedState,
      nonce: expectedNonce,
      authorization_details: JSON.stringify(details),
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      ...more,
    };
    return { parameters, checks: { pkceCodeVerifier, expectedState, expectedNonce } };
  };
  const { parameters, checks } = await asked({ dpop_jkt: await DPoP.calculateThumbprint() });
  const back = await browse(client.buildAuthorizationUrl(config, parameters));
  // A code for a key is exchanged by no other, and by nobody without one.
  const first = await client.authorizationCodeGrant(config, back, checks, {}, { DPoP });
  for (const [stolen, error] of [[another, "invalid_grant"], [undefined, "invalid_dpop_proof"]]) {
    const { parameters, checks } = await asked({});
    const to = await browse(await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }));
    await assert.rejects(client.authorizationCodeGrant(config, to, checks, {}, { DPoP: stolen }), { error });
  }
  assert.equal(first.token_type.toLowerCase(), "dpop");
  const { sub } = first.claims();
  const query = JSON.stringify({ query: "{ Contact { name } }" });
  const reads = async (token, DPoP) => {
    const headers = new Headers({ "content-type": "application/json" });
    const url = new URL("/api/v1/graphql", node.url);
    return (await client.fetchProtectedResource(config, token, url, "POST", query, headers, { DPoP })).json();
  };
  assert.ok(Array.isArray((await reads(first.access_token, DPoP)).data.Contact));
  await client.fetchUserInfo(config, first.access_token, sub, { DPoP });
  for (const stolen of [another, undefined]) {
    await assert.rejects(reads(first.access_token, stolen));
    await assert.rejects(client.fetchUserInfo(config, first.access_token, sub, { DPoP: stolen }));
    await assert.rejects(client.refreshTokenGrant(config, first.refresh_token, {}, { DPoP: stolen }));
  }
  const next = await client.refreshTokenGrant(config, first.refresh_token, {}, { DPoP });
  assert.equal(next.token_type.toLowerCase(), "dpop");
  assert.ok(Array.isArray((await reads(next.access_token, DPoP)).data.Contact));
}

/** An app that registers itself (RFC 7591), and hands a part of itself a token for less (RFC 8693). */
async function openidClientRegisters() {
  const asked = (fields) => [{ type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow: fields } }];
  const metadata = { client_name: "openid-client that registers itself", redirect_uris: [BACK], access: asked(["name", "phone"]) };
  const config = await client.dynamicClientRegistration(new URL(node.url), metadata, client.ClientSecretBasic(), {
    execute: [client.allowInsecureRequests],
  });
  const { client_id, client_secret, registration_access_token, registration_client_uri } = config.clientMetadata();
  assert.ok(client_id && client_secret && registration_access_token);
  await assert.rejects(
    client.dynamicClientRegistration(new URL(node.url), { redirect_uris: ["http://app.example/"] }, client.None(), {
      execute: [client.allowInsecureRequests],
    }),
    { error: "invalid_redirect_uri" },
  );
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: BACK,
    scope: "openid",
    state: expectedState,
    nonce: expectedNonce,
    authorization_details: JSON.stringify(metadata.access),
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  });
  const tokens = await client.authorizationCodeGrant(config, await browse(url), { pkceCodeVerifier, expectedState, expectedNonce });
  const exchange = (more) =>
    client.genericGrantRequest(config, "urn:ietf:params:oauth:grant-type:token-exchange", {
      subject_token: tokens.access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      ...more,
    });
  const less = await exchange({ authorization_details: JSON.stringify(asked(["name"])) });
  assert.deepEqual([less.refresh_token, less.authorization_details[0].fields.allow], [undefined, ["name"]]);
  const reads = async (token, field) => {
    const body = JSON.stringify({ query: `{ Contact { ${field} } }` });
    const headers = new Headers({ "content-type": "application/json" });
    const answer = await client.fetchProtectedResource(config, token, new URL("/api/v1/graphql", node.url), "POST", body, headers);
    return (await answer.json()).data?.Contact;
  };
  assert.ok(Array.isArray(await reads(tokens.access_token, "phone")) && Array.isArray(await reads(less.access_token, "name")));
  assert.equal(await reads(less.access_token, "phone"), undefined);
  await assert.rejects(exchange({ actor_token: tokens.access_token, actor_token_type: "urn:ietf:params:oauth:token-type:access_token" }), { error: "invalid_request" });
  await assert.rejects(exchange({ audience: "elsewhere" }), { error: "invalid_target" });
  // RFC 7592: with its registration ends what it had.
  const ended = await fetch(registration_client_uri, { method: "DELETE", headers: { authorization: `Bearer ${registration_access_token}` } });
  assert.equal(ended.status, 204);
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { status: 401 });
}

/** An app that nobody registered: its `client_id` is the address of a document. */
async function openidClientDocument() {
  const site = createServer((request, answer) => {
    const at = `http://127.0.0.1:${site.address().port}/client.json`;
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ client_id: at, client_name: "openid-client with a document", redirect_uris: [BACK], token_endpoint_auth_method: "none" }));
  });
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
  try {
    const client_id = `http://127.0.0.1:${site.address().port}/client.json`;
    const config = await client.discovery(new URL(node.url), client_id, undefined, client.None(), {
      execute: [client.allowInsecureRequests],
    });
    assert.equal(config.serverMetadata().client_id_metadata_document_supported, true);
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
    const asked = {
      redirect_uri: BACK,
      scope: "openid profile",
      state: expectedState,
      nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
    };
    const back = await browse(await client.buildAuthorizationUrlWithPAR(config, asked));
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce });
    assert.equal(tokens.claims().aud, client_id);
    await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  } finally {
    site.close();
  }
}

async function oidcClientTsDpop() {
  const { client_id } = await register({ name: "oidc-client-ts with DPoP", dpop_bound_access_tokens: true });
  // It draws keys where a browser has its cryptography.
  globalThis.window ??= globalThis;
  const kept = new Map();
  const store = {
    set: async (key, value) => void kept.set(key, value),
    get: async (key) => kept.get(key),
    remove: async (key) => kept.delete(key),
    getAllKeys: async () => [...kept.keys()],
  };
  const stateStore = new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const settings = { authority: node.url, client_id, redirect_uri: BACK, scope: "openid", stateStore };
  const app = new OidcClient({ ...settings, dpop: { store } });
  const { url } = await app.createSigninRequest({ nonce: "n" });
  const signedIn = await app.processSigninResponse((await browse(url)).href);
  assert.equal(signedIn.token_type, "DPoP");
  // The same app without a key gets nothing.
  const bare = new OidcClient(settings);
  const again = await bare.createSigninRequest({ nonce: "n" });
  await assert.rejects(bare.processSigninResponse((await browse(again.url)).href), { error: "invalid_dpop_proof" });
}

async function oidcClientTs() {
  const { client_id } = await register({ name: "oidc-client-ts", post_logout_redirect_uris: [AFTER] });
  const stateStore = new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const app = new OidcClient({
    authority: node.url,
    client_id,
    redirect_uri: BACK,
    post_logout_redirect_uri: AFTER,
    scope: "openid profile",
    loadUserInfo: true,
    stateStore,
  });
  const { url } = await app.createSigninRequest({ nonce: "n", state: "kept" });
  const signedIn = await app.processSigninResponse((await browse(url)).href);
  assert.deepEqual([signedIn.profile.preferred_username, signedIn.userState], [OWNER.user, "kept"]);
  const silent = await app.createSigninRequest({ prompt: "none" });
  await assert.rejects(app.processSigninResponse((await browse(silent.url)).href), { error: "login_required" });
  const out = await app.createSignoutRequest({ id_token_hint: signedIn.id_token });
  assert.ok((await browse(out.url)).href.startsWith(AFTER));
}

async function authlib() {
  const [python, script] = process.argv.slice(2);
  if (python === undefined) return console.log("authlib is left out");
  const { client_id, client_secret } = await register({ name: "authlib", confidential: true });
  const given = { ...process.env, NODE_URL: node.url, CLIENT_ID: client_id, CLIENT_SECRET: client_secret, BACK, USER_NAME: OWNER.user, PASSWORD: OWNER.password };
  const { status } = spawnSync(python, [script], { env: given, stdio: "inherit" });
  assert.equal(status, 0);
}

try {
  for (const one of [openidClient, openidClientDpop, openidClientRegisters, openidClientDocument, oidcClientTs, oidcClientTsDpop, authlib]) {
    await one();
    console.log(`ok ${one.name}`);
  }
} finally {
  listener.close();
  await node.stop();
}
