"""PyPI authlib, unchanged, signs in at a node. Started by clients.mjs, which says where and as whom."""

import os
import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

NODE, BACK = os.environ["NODE_URL"], os.environ["BACK"]
CLIENT_ID = os.environ["CLIENT_ID"]
# The node of the test is on this machine, in clear.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def browse(url):
    """A person at a browser: signs in, allows what is asked, and ends where the app is answered."""
    answer = requests.get(url, allow_redirects=False)
    for _ in range(4):
        if "location" in answer.headers:
            return answer.headers["location"]
        assert answer.status_code == 200, answer.text
        form = {}
        for field in re.findall(r"<input[^>]*>", answer.text):
            of = lambda name: (re.findall(rf' {name}="([^"]*)"', field) or [None])[0]
            if of("name") and (of("type") != "checkbox" or " checked" in field):
                form[of("name")] = unescape(of("value") or "")
        if "password" in form:
            form |= {"user": os.environ["USER_NAME"], "password": os.environ["PASSWORD"]}
        else:
            form["decision"] = "allow"
        action = re.search(r'<form[^>]*action="([^"]*)"', answer.text)[1]
        answer = requests.post(urljoin(NODE, action), data=form, allow_redirects=False, headers={"origin": NODE})
    raise AssertionError("no answer after four steps")


told = requests.get(f"{NODE}/.well-known/openid-configuration").json()
session = OAuth2Session(
    CLIENT_ID,
    os.environ["CLIENT_SECRET"],
    scope="openid profile",
    redirect_uri=BACK,
    code_challenge_method="S256",
    token_endpoint_auth_method="client_secret_basic",
)
verifier = "v" * 64
url, state = session.create_authorization_url(told["authorization_endpoint"], code_verifier=verifier, nonce="n")
back = browse(url)
assert parse_qs(urlsplit(back).query)["iss"] == [NODE]
token = session.fetch_token(told["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
keys = KeySet.import_key_set(requests.get(told["jwks_uri"]).json())
decoded = jwt.decode(token["id_token"], keys, algorithms=["ES256"])
expected = {"iss": {"essential": True, "value": NODE}, "aud": {"essential": True, "value": CLIENT_ID}}
claims = CodeIDToken(decoded.claims, decoded.header, expected, {"nonce": "n", "access_token": token["access_token"]})
claims.validate()
info = session.get(told["userinfo_endpoint"]).json()
assert (info["sub"], info["preferred_username"]) == (claims["sub"], os.environ["USER_NAME"]), info
