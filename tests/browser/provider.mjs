// A provider of OpenID Connect that somebody else wrote (npm `oidc-provider`), for one run: whoever names themselves is
// signed in.

import { createServer } from "node:http";
import Provider from "oidc-provider";

export async function startProvider(redirects, logouts) {
  const server = createServer();
  await new Promise((up) => server.listen(0, "127.0.0.1", up));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const client = (id, n) => ({
    client_id: id,
    client_secret: "a secret of the node and the provider",
    redirect_uris: [redirects[n]],
    backchannel_logout_uri: logouts[n],
    backchannel_logout_session_required: true,
    post_logout_redirect_uris: [],
  });
  const provider = new Provider(issuer, {
    clients: [client("allod", 0), client("allod-staff", 1)],
    claims: {
      openid: ["sub", "sid"],
      email: ["email", "email_verified"],
      profile: ["preferred_username", "groups"],
    },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        preferred_username: id,
        email: `${id}@firm.example`,
        email_verified: !id.startsWith("unverified"),
        groups: id.startsWith("guest") ? ["guests"] : ["staff"],
      }),
    }),
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    // Its own way out refuses loopback, where the node is.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    cookies: { keys: ["one key for one run"] },
    pkce: { required: () => true },
  });
  provider.on("backchannel.error", (_, error) => console.error(`the provider could not tell of a sign-out: ${error.message} ${error.cause ?? ""}`));
  server.on("request", provider.callback());
  return { issuer, stop: () => new Promise((gone) => (server.closeAllConnections(), server.close(gone))) };
}
