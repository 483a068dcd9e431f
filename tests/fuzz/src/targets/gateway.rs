//! What clients send beside documents: grants, manifests, bodies, forms, headers; and what an operator writes.

use std::io::Write as _;

use ::gateway::fuzz;
use gateway_config::{Environment, Flags, Settings};

use crate::{Target, of_text, texts};

pub const GRANT: Target = Target {
    name: "grant",
    run: |bytes| of_text(bytes, fuzz::grant),
    seeds: || {
        texts(&[
            r#"{"type":"allod_doc","space":"personal","datatypes":["Contact"],"actions":["read","update"],"fields":{"allow":["name","phone"],"required":["name"]},"where":{"tag":{"_eq":"family"},"n":{"_geq":1},"m":{"_in":["a","b"]}},"purpose":"text","duration":"P30D"}"#,
            r#"[{"type":"allod_doc","datatypes":["A"],"actions":["create"],"fields":{"allow":["a"]}}]"#,
        ])
    },
    words: &[
        "\"where\":",
        "\"_eq\":",
        "\"_neq\":",
        "\"_nin\":",
        "\"_lt\":",
        "\"duration\":",
        "\"P1Y2M10DT2H30M\"",
        "\"P99999999999D\"",
        "\"actions\":",
        "\"search\"",
        "\"history\"",
        "\"required\":",
        "null",
        "1e400",
        "9223372036854775808",
        "\"\\u0000\"",
        "[",
        "{",
        "\"egress\":",
        "-0.0",
    ],
};
pub const MANIFEST: Target = Target {
    name: "manifest",
    run: |bytes| of_text(bytes, fuzz::manifest),
    seeds: || {
        texts(&[
            r#"{"name":"An App","redirect_uris":["https://app.example.org/cb","http://127.0.0.1:9/cb"],"access":[{"type":"allod_doc","datatypes":["A"],"actions":["read"],"fields":{"allow":["a"]}}],"confidential":true,"client_uri":"https://app.example.org","logo_uri":"https://app.example.org/logo.png"}"#,
        ])
    },
    words: &[
        "\"redirect_uris\":",
        "\"access\":",
        "\"logo_uri\":",
        "javascript:",
        "data:",
        "//",
        "https://",
        "http://[::1]:1/",
        "#",
        "?",
        "%00",
        "@",
        "\\",
        "\"confidential\":",
        "app:/cb",
    ],
};
pub const REQUEST: Target = Target {
    name: "request-body",
    run: fuzz::request,
    seeds: || {
        texts(&[
            r#"{"query":"query A($n: Int) { Book(limit: $n) { title } }","operationName":"A","variables":{"n":1},"extensions":{}}"#,
            "query=%7B%20Book%20%7B%20title%20%7D%20%7D&variables=%7B%22n%22%3A1%7D&operationName=A",
            "client_id=a&redirect_uri=https%3A%2F%2Fapp.example.org%2Fcb&scope=&state=x&code_challenge=y&resource=",
        ])
    },
    words: &[
        "\"query\":",
        "\"variables\":",
        "\"operationName\":",
        "null",
        "&query=",
        "%",
        "%00",
        "+",
        "=",
        "[[[[[[[[",
        "{\"a\":",
    ],
};
pub const HEADERS: Target = Target {
    name: "headers",
    run: fuzz::headers,
    seeds: || {
        texts(&[
            "cloud.example.org:443\n203.0.113.9, [2001:db8::1]:4711, 10.0.0.1\nBearer abc\nhttps://app.example.org",
            "[::1]:8420\n\"unknown\", 192.0.2.1:80\nbearer  x\nhttp://localhost:3000",
            "127.1\n::ffff:10.0.0.1\nBasic YTpi\nnull",
        ])
    },
    words: &[
        "\n", ",", ":", "[", "]", "@", "/", "%2e", "xn--", "\u{3002}", "0x7f.1", "::", ".", "Bearer ", "*", "https://",
    ],
};
pub const PROOF: Target = Target {
    name: "proof",
    run: |bytes| of_text(bytes, fuzz::proof),
    seeds: || {
        texts(&[
            r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}
{"jti":"e1j3V_bKic8-LAEB","htm":"POST","htu":"https://CLOUD.example.org:443/oauth/%74oken?a#b","iat":1764000000,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"#,
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        ])
    },
    words: &[
        "\"d\":1",
        "\"crit\":",
        "\"none\"",
        "\"HS256\"",
        "null",
        "1e308",
        "-0.0",
        "%",
        "%2",
        "%2e",
        "..",
        "//",
        "\\",
        "@",
        "\n",
        "0x7f.1",
        "\"iat\":",
        "\"alg\":",
        "\"typ\":",
    ],
};
pub const PLACE: Target = Target {
    name: "place-name",
    run: |bytes| of_text(bytes, fuzz::place),
    seeds: || {
        texts(&[
            "s3://bucket/prefix/of/it",
            "https://home.example.org:8443/places/allotment",
            "http://127.0.0.1:8420/places/a-1",
            "/srv/backups/allod",
        ])
    },
    words: &[
        "s3://", "https://", "http://", "/places/", "..", "//", "%2f", "@", ":", "?", "#", "[::1]", "\u{202e}", " ",
    ],
};
pub const SENDER: Target = Target {
    name: "sender",
    run: fuzz::sender,
    seeds: || {
        texts(&[
            "Basic YWxpY2U6c2VjcmV0\nallod_8420=abc; __Host-allod=def\nMozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\nde-AT, de;q=0.9, en;q=0.8, *;q=0",
            "DPoP abc\nx=\"y\"; =; ;;\ncurl/8.5.0\nen",
        ])
    },
    words: &[
        "Basic ", "Bearer ", "DPoP ", ";", "=", "\"", ",", "q=", "q=1e9", "*", "Edg/", "Chrome/", "<script>", "\u{0}",
    ],
};
pub const SETTINGS: Target = Target {
    name: "settings",
    run: settings,
    seeds: || {
        texts(&[
            "[http]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n[log]\nformat = \"json\"\n[policy]\nwrite = true\n",
            "[p2p]\nlisten = []\n[policy]\nkey = \"0123456789abcdef\"\n",
        ])
    },
    words: &[
        "[http]",
        "[log]",
        "[[http]]",
        "http.listen",
        " = ",
        "\"\"\"",
        "'''",
        "{ a = 1 }",
        "[",
        "]",
        "true",
        "1979-05-27",
        "0x1F",
        "inf",
        "\\u0000",
        "public_url",
        "level",
        "#",
        "\n",
    ],
};

/// Reads the bytes as `allod.toml`. A message that is refused says nothing of what a secret is.
fn settings(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("writing");
    let dir = std::env::temp_dir();
    match Settings::load(&dir, Some(file.path()), &Environment::default(), &Flags::default()) {
        Ok(settings) => drop(settings.views()),
        Err(error) => assert!(!error.message.is_empty() && !error.code.is_empty()),
    }
}
