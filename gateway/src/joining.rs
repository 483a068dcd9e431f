//! A node that nobody owns yet becomes a device of an account, while it runs.
//!
//! It joins as a node of its own in `DIR/joining`, beside the files of the fresh one, and counts once that is called
//! `DIR/restored`: from there on it goes as with a backup ([`crate::restoring`]). What is killed before changes nothing of
//! the fresh node; the keys of the device stay in `DIR/joining`, and the same code goes on with them.

use std::path::PathBuf;

use sync::pairing::Code;
use vault::data_dir::DataDir;

use crate::failure::Failure;
use crate::pairing;
use crate::restoring::Joined;

/// Where the device is made.
const UNFINISHED: &str = "joining";
/// Networks of a household, where the other device most likely is. Whoever has the set-up link may have these dialled,
/// beside public addresses and what the operator allows.
const HOUSEHOLD: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// What may be dialled for whoever has the set-up link, where the operator allows these networks.
pub fn reach(allowed: &[sync::IpNet]) -> sync::Reach {
    let household = HOUSEHOLD.iter().filter_map(|net| net.parse().ok());
    sync::Reach::new(allowed.iter().copied().chain(household).collect())
}

/// Joins beside the files of a node that nobody owns; where the device was made.
///
/// # Errors
/// As [`pairing::join`]: nothing is left then, unless the other device may have taken this one.
pub async fn beside(dir: &DataDir, code: &Code, passphrase: Option<&str>) -> Result<(Joined, PathBuf), Failure> {
    let made = dir.path().join(UNFINISHED);
    match pairing::join_or_go_on(&DataDir::at(&made), code, passphrase).await {
        Ok(joined) => Ok((joined, made)),
        // Nobody learns by it what answers where.
        Err(failure) if failure.code == "inviter_unreachable" => {
            Err(Failure { message: "the other device cannot be reached".to_owned(), ..failure })
        }
        Err(failure) => Err(failure),
    }
}

/// What somebody began to join by, and this node did not become: gone once it is somebody's.
pub fn forget(dir: &DataDir) {
    let _ = std::fs::remove_dir_all(dir.path().join(UNFINISHED));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sets_a_node_up_has_households_dialled_and_no_machine_of_its_own() {
        let own = reach(&[]);
        for (ip, lies) in [
            ("192.168.1.20", sync::Lies::Allowed),
            ("10.1.2.3", sync::Lies::Allowed),
            ("fd00::1", sync::Lies::Allowed),
            ("127.0.0.1", sync::Lies::Within),
            ("169.254.169.254", sync::Lies::Within),
            ("100.64.0.1", sync::Lies::Within),
            ("::1", sync::Lies::Within),
            ("fe80::1", sync::Lies::Within),
        ] {
            assert_eq!(own.lies(ip.parse().unwrap()), lies, "{ip}");
        }
        let allowed = reach(&["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(allowed.lies("127.0.0.1".parse().unwrap()), sync::Lies::Allowed, "control");
    }
}
