use std::os::unix::fs::PermissionsExt;

use super::*;

struct ConfigDir(tempfile::TempDir);

impl ConfigDir {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("allod.toml"), text).unwrap();
        let place = ConfigDir(dir);
        place.mode(0o600);
        place
    }
    fn mode(&self, mode: u32) {
        std::fs::set_permissions(self.0.path().join("allod.toml"), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    fn load(&self, environment: &Environment, flags: &Flags) -> Result<Settings, ConfigError> {
        Settings::load(self.0.path(), None, environment, flags)
    }
    fn alone(&self) -> Result<Settings, ConfigError> {
        self.load(&Environment::default(), &Flags::default())
    }
}

fn listen(settings: &Settings) -> (String, String) {
    let shown = settings.views().into_iter().find(|shown| shown.key == "http.listen").unwrap();
    assert_eq!(settings.get::<String>("http.listen").unwrap(), shown.value);
    (shown.value.unwrap(), shown.source)
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let place = ConfigDir::new("[http]\nlisten = \"127.0.0.1:2\"\n");
    let environment = Environment::of([("ALLOD_HTTP_LISTEN", "127.0.0.1:3")]);
    let flags = Flags::default().with("http.listen", Some("127.0.0.1:4"));
    let file = format!("file {}", place.0.path().join("allod.toml").display());
    let of = |settings: Result<Settings, ConfigError>| listen(&settings.unwrap());
    assert_eq!(of(place.load(&environment, &flags)), ("127.0.0.1:4".into(), "flag".into()));
    let variable = "environment ALLOD_HTTP_LISTEN".to_owned();
    assert_eq!(of(place.load(&environment, &Flags::default())), ("127.0.0.1:3".into(), variable));
    assert_eq!(of(place.alone()), ("127.0.0.1:2".into(), file));
    assert_eq!(of(ConfigDir::new("").alone()), ("127.0.0.1:8420".into(), "default".into()));
    let empty = Environment::of([("ALLOD_HTTP_LISTEN", "")]);
    assert_eq!(of(place.load(&empty, &Flags::default())).0, "127.0.0.1:2", "an empty variable says nothing");
}

#[test]
fn a_flag_says_something() {
    let flags = Flags::default().with("http.public_url", Some(""));
    let refused = ConfigDir::new("").load(&Environment::default(), &flags).unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), ("config_value", "http.public_url (flag): it is empty"));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let load = |named: Option<&Path>| Settings::load(dir.path(), named, &Environment::default(), &Flags::default());
    assert!(load(None).is_ok());
    let refused = load(Some(&dir.path().join("other.toml"))).unwrap_err();
    assert_eq!(refused.code, "config_unreadable");
    assert!(refused.message.contains("other.toml"));
    assert_eq!(load(Some(dir.path())).unwrap_err().code, "config_unreadable");
}

#[test]
fn what_nobody_knows_is_refused_with_the_nearest_name() {
    let hint = |text: &str| {
        let refused = ConfigDir::new(text).alone().unwrap_err();
        assert_eq!(refused.code, "config_unknown_key", "{}", refused.message);
        refused.hint.unwrap()
    };
    assert!(hint("[http]\nlistne = \"a\"").contains("`http.listen`"));
    assert!(hint("[htpp]\nlisten = \"a\"").contains("`http.listen`"));
    assert!(hint("[http]\ndial_allow = [\"10.0.0.0/8\"]").contains("`p2p.dial_allow`"));
    assert!(hint("listen = \"a\"").contains("`http.listen`"));
    assert!(!hint("[zzzzzzzz]\nqqqqqqqqqqqq = 1").contains("did you mean"));
    assert!(!hint("[\"http.listen\"]\nx = 1").is_empty());
    assert!(!hint("[http.listen]\nx = 1\n[http.x]\ny = 2").is_empty());
}

#[test]
fn an_unknown_variable_is_warned_of_and_no_more() {
    let environment = Environment::of([
        ("ALLOD_HTTP_LISTNE", "x"),
        ("ALLOD_SERVICE_PORT_8420_TCP_ADDR", "10.0.0.1"),
        ("ALLOD_DATA", "/d"),
        ("ALLOD_TEST_ENGINE", "spicedb"),
        ("PATH", "/bin"),
    ]);
    let settings = ConfigDir::new("").load(&environment, &Flags::default()).unwrap();
    let said = settings.warnings.join("\n");
    assert_eq!(settings.warnings.len(), 2, "{said}");
    assert!(said.contains("ALLOD_HTTP_LISTNE; did you mean ALLOD_HTTP_LISTEN?"), "{said}");
    assert!(said.contains("ALLOD_SERVICE_PORT_8420_TCP_ADDR") && !said.contains("10.0.0.1"));
}

#[test]
fn wrong_types_are_named_with_key_and_source() {
    let refused = |text: &str| {
        let refused = ConfigDir::new(text).alone().unwrap_err();
        assert_eq!(refused.code, "config_value", "{}", refused.message);
        assert!(refused.message.contains("allod.toml"), "{}", refused.message);
        refused.message
    };
    assert!(refused("[http]\nlisten = true").starts_with("http.listen"));
    assert!(refused("[http]\nlisten = [\"a\"]").contains("a list"));
    assert!(refused("[p2p]\ndial_allow = [1]").contains("a number"));
    assert!(refused("[p2p]\ndial_allow = 10").contains("should be a list"));
    assert!(refused("[policy]\nwrite = \"yes\"").contains("neither true nor false"));
    assert!(refused("[policy]\nwrite = 1").contains("a number"));
    let settings = ConfigDir::new("[http]\npublic_url = \"x y\"").alone().unwrap();
    let refused = settings.get_by("http.public_url", |_| Err::<(), _>("no address".to_owned())).unwrap_err();
    assert!(refused.message.starts_with("http.public_url (file ") && refused.message.contains("no address"));
}

#[test]
fn lists_are_written_either_way() {
    let places =
        ["[p2p]\ndial_allow = [\"10.0.0.0/8\", \"fd00::/8\"]", "[p2p]\ndial_allow = \"10.0.0.0/8, fd00::/8,\""];
    for text in places {
        let list = ConfigDir::new(text).alone().unwrap().list::<String>("p2p.dial_allow").unwrap();
        assert_eq!(list, ["10.0.0.0/8", "fd00::/8"]);
    }
    let environment = Environment::of([("ALLOD_P2P_DIAL_ALLOW", "10.0.0.0/8")]);
    let settings = ConfigDir::new(places[0]).load(&environment, &Flags::default()).unwrap();
    assert_eq!(settings.list::<String>("p2p.dial_allow").unwrap(), ["10.0.0.0/8"], "not added to the file's");
    assert!(settings.list::<std::net::IpAddr>("p2p.dial_allow").is_err());
}

#[test]
fn the_higher_source_says_where_a_secret_is_and_one_source_says_it_once() {
    let file = ConfigDir::new("[policy]\nkey_file = \"/run/key\"");
    let said = |settings: Settings| format!("{:?}", settings.secret("policy.key").unwrap());
    assert_eq!(said(file.alone().unwrap()), "Some((/run/key))");
    let environment = Environment::of([("ALLOD_POLICY_KEY", "canary-4711")]);
    let settings = file.load(&environment, &Flags::default()).unwrap();
    assert_eq!(said(settings.clone()), "Some((set))");
    assert!(!format!("{:?}", settings.views()).contains("canary"));
    let flags = Flags::default().with("policy.key_file", Some("/other"));
    assert_eq!(said(file.load(&environment, &flags).unwrap()), "Some((/other))");
    let both = ConfigDir::new("[policy]\nkey = \"canary-4711\"\nkey_file = \"/run/key\"").alone().unwrap_err();
    assert_eq!(both.code, "config_contradiction");
    assert!(!both.message.contains("canary"));
    assert_eq!(said(ConfigDir::new("").alone().unwrap()), "None");
}

#[test]
fn no_complaint_tells_a_secret() {
    for text in [
        "[policy]\nkey = \"canary-4711",
        "[policy]\nkey = canary-4711",
        "[policy]\nkey = 4711.4711.4711",
        "[policy]\nkey = [\"canary-4711\"]",
        "[policy]\nkey = \"canary-4711\" \"x\"",
        "[policy]\nkey = \"canary-4711\\q\"",
        "policy = \"canary-4711\"",
        "[policy]\nkey = \"a\"\nkey = \"canary-4711\"",
    ] {
        let refused = ConfigDir::new(text).alone().unwrap_err();
        let all = format!("{} {:?}", refused.message, refused.hint);
        assert!(!all.contains("canary") && !all.contains("4711.4711"), "{text}: {all}");
        assert!(all.contains("allod.toml") || all.contains("policy"), "{all}");
    }
}

#[test]
fn a_file_that_everybody_writes_is_refused_and_one_with_secrets_is_looked_at_closely() {
    let (plain, secret) = ("[http]\nlisten = \"127.0.0.1:1\"", "[policy]\nkey = \"canary\"");
    let load = |text: &str, mode: u32| {
        let place = ConfigDir::new(text);
        place.mode(mode);
        place.alone().map(|settings| settings.warnings.len()).map_err(|error| error.code)
    };
    assert_eq!(load(plain, 0o644), Ok(0));
    assert_eq!(load(plain, 0o664), Ok(0));
    assert_eq!(load(plain, 0o666), Err("config_writable"));
    assert_eq!(load(secret, 0o600), Ok(0));
    assert_eq!(load(secret, 0o644), Ok(1));
    assert_eq!(load(secret, 0o660), Err("config_writable"));
}

proptest::proptest! {
    /// Whatever the file holds, it is taken or refused in words.
    #[test]
    fn any_file_is_answered(text in "\\PC{0,200}|(\\[[a-z.]{0,12}\\]\n([a-z_]{0,8} = [\"a-z0-9\\[\\],]{0,12}\n){0,3}){0,3}") {
        if let Err(refused) = ConfigDir::new(&text).alone() {
            proptest::prop_assert!(refused.code.starts_with("config_"));
            proptest::prop_assert!(!refused.message.is_empty());
        }
    }
}

#[test]
fn each_provider_has_a_section_of_its_own_and_variables_say_the_same() {
    let text = "[oidc.firm]\nissuer = \"https://id.firm.example\"\nclient_id = \"a\"\nclient_secret = \"hidden\"\n";
    let place = ConfigDir::new(text);
    let environment = Environment::of([
        ("ALLOD_OIDC_FIRM_CLIENT_ID", "b"),
        ("ALLOD_OIDC_HOME_KEY_CLIENT_SECRET_FILE", "/run/secrets/home"),
        ("ALLOD_OIDC_HOME_KEY_CREATE_ACCOUNTS", "true"),
        ("ALLOD_OIDC_FIRM_CLIENT_IDD", "c"),
    ]);
    let settings = place.load(&environment, &Flags::default()).unwrap();
    assert_eq!(settings.providers(), ["firm", "home-key"]);
    let of = |key: &str| settings.get::<String>(key).unwrap();
    assert_eq!(of("oidc.firm.issuer").as_deref(), Some("https://id.firm.example"));
    assert_eq!(of("oidc.firm.client_id").as_deref(), Some("b"), "the environment beats the file");
    assert_eq!(of("oidc.firm.groups_claim").as_deref(), Some("groups"), "what counts when nobody says it");
    assert_eq!(settings.list::<String>("oidc.home-key.scopes").unwrap(), ["profile", "email"]);
    assert!(settings.switch("oidc.home-key.create_accounts").unwrap());
    assert!(matches!(settings.secret("oidc.home-key.client_secret").unwrap(), Some(Secret::File(_))));
    assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
    let shown = settings.views();
    let one = |key: &str| shown.iter().find(|shown| shown.key == key).unwrap().value.clone();
    assert_eq!(one("oidc.firm.client_secret").as_deref(), Some("(set)"));
    assert!(!shown.iter().any(|shown| shown.key.contains("NAME")), "nothing is shown of nobody");
    for (bad, code) in [
        ("[oidc.Firm]\nissuer = \"https://id\"", "config_value"),
        ("[oidc.firm]\nissuerr = \"https://id\"", "config_unknown_key"),
        ("[oidc]\nissuer = \"https://id\"", "config_unknown_key"),
        ("[oidc.firm.inner]\nissuer = \"https://id\"", "config_unknown_key"),
        ("[http.firm]\nlisten = \"1\"", "config_unknown_key"),
        ("[oidc.firm]\nclient_secret = \"a\"\nclient_secret_file = \"b\"", "config_contradiction"),
    ] {
        assert_eq!(ConfigDir::new(bad).alone().unwrap_err().code, code, "{bad}");
    }
}
