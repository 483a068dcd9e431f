//! The vault's own tables in the node database, on every database that can hold them.

use rand::SeedableRng;
use vault_core::identity::{DeviceSecret, Signer};

use super::*;
use crate::admission::Admission;
use crate::backend::Backend;
use crate::data_dir::DataDir;
use crate::keyring::NodeKey;
use crate::log::Log;

#[tokio::test]
async fn secrets_are_kept_under_the_node_key_and_open_under_no_other() {
    for backend in Backend::all().await {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [key, other] = roots.each_ref().map(|root| NodeKey::create(&DataDir::at(root.path()), None).unwrap());
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let (user, space) = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([2; 16]));
        let accounts = Accounts::open(backend.open().await, key.clone()).await.unwrap();
        let (seed, view) = (accounts.transport_seed(), accounts.view(space).await.unwrap());
        let device = DeviceSecret::random(&mut rng);
        let id = device.id;
        let root = Signer::random(&mut rng);
        let accounts = Arc::new(accounts);
        let adding = Arc::clone(&accounts);
        let start = Admission::unread(Log::open(backend.open().await).await.unwrap()).turn().await;
        let add = start.run(move |turn| Box::pin(async move { adding.add(turn, user, device, Some(&root)).await }));
        add.await.unwrap().unwrap();
        accounts.mark_view(space, true, "boot").await.unwrap();
        accounts.set("port", "1").await.unwrap();
        accounts.set("port", "2").await.unwrap();
        drop(accounts);
        let accounts = Accounts::open(backend.open().await, key).await.unwrap();
        assert_eq!(accounts.transport_seed(), seed);
        assert_eq!(accounts.users(), [user]);
        assert_eq!(accounts.of_device(id).unwrap().user, user);
        let again = accounts.view(space).await.unwrap();
        assert_eq!((*again.key, again.clean, again.boot.as_str()), (*view.key, true, "boot"));
        assert_eq!(accounts.setting("port").await.unwrap().as_deref(), Some("2"));
        assert!(Accounts::open(backend.open().await, other).await.is_err(), "another node's key");
    }
}
