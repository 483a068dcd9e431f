use super::super::refresh::tests::noted;
use super::super::{Directory, GrantRow, on_each_backend};
use super::*;

const ALICE: UserId = UserId::from_bytes([1; 16]);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

fn asks(app: u8) -> NewRequest {
    NewRequest {
        user: ALICE,
        client: ClientId::from_bytes([app; 16]),
        grant: GrantId::from_bytes([app; 16]),
        access: "[]".to_owned(),
        purpose: None,
    }
}

fn waits(filed: Filed) -> AccessRequest {
    let Filed::Waits(request) = filed else { panic!("{filed:?}") };
    request
}

#[tokio::test]
async fn one_of_an_app_waits_and_so_many_of_a_person_and_no_app_asks_on_and_on() {
    for directory in on_each_backend().await {
        let file = async |app, now| directory.file_request(asks(app), now).await.unwrap();
        let many = futures::future::join_all((0..50).map(|_| file(1, at(0)))).await;
        assert_eq!(many.iter().filter(|one| matches!(one, Filed::Waits(_))).count(), 1);
        let [first] = &directory.waiting_requests(Some(ALICE), at(0)).await.unwrap()[..] else { panic!("one") };
        assert_eq!(file(1, at(1)).await, Filed::Another);
        for n in 0..2 {
            let request = directory.waiting_requests(Some(ALICE), at(2)).await.unwrap()[0].id;
            assert!(directory.decline_request(request, at(2)).await.unwrap());
            waits(file(1, at(3 + n)).await);
        }
        let request = directory.waiting_requests(None, at(9)).await.unwrap()[0].id;
        assert!(directory.decline_request(request, at(9)).await.unwrap());
        assert_eq!(file(1, at(10)).await, Filed::TooMany, "three a day");
        waits(file(1, at(86_500)).await);
        let mut sent = 1;
        for app in 2..100 {
            sent += u64::from(matches!(file(app, at(86_500)).await, Filed::Waits(_)));
        }
        assert_eq!(sent, MAX_REQUESTS_OF_PERSON);
        let lapsed = directory.access_request(first.id, at(0)).await.unwrap().unwrap();
        assert_eq!(lapsed.state, RequestState::Declined);
        let later = at(86_500 + REQUEST_SECONDS);
        assert_eq!(directory.waiting_requests(Some(ALICE), later).await.unwrap(), []);
        assert!(matches!(file(99, later).await, Filed::Waits(_)), "what lapsed takes no room");
    }
}

#[tokio::test]
async fn of_several_who_decide_one_is_the_first_and_who_is_broken_off_keeps_nobody_from_it() {
    for directory in on_each_backend().await {
        let request = waits(directory.file_request(asks(1), at(0)).await.unwrap()).id;
        let begin = async |now| directory.begin_deciding(request, now).await.unwrap();
        let many = futures::future::join_all((0..50).map(|_| begin(at(1)))).await;
        let [first] = many.into_iter().flatten().collect::<Vec<_>>()[..] else { panic!("one is the first") };
        assert_eq!(begin(at(60)).await, None);
        assert!(!directory.decline_request(request, at(60)).await.unwrap(), "somebody approves it");
        let second = begin(at(61)).await.expect("whoever began was killed");
        assert!(!directory.still_decides(first).await.unwrap());
        directory.stop_deciding(first).await.unwrap();
        assert!(directory.still_decides(second).await.unwrap(), "who was taken for broken off ends nothing");
        directory.stop_deciding(second).await.unwrap();
        let third = begin(at(62)).await.expect("it waits on");
        assert!(approve(&directory.db, third, at(63)).await.unwrap());
        directory.stop_deciding(third).await.unwrap();
        assert!(!directory.decline_request(request, at(200)).await.unwrap());
        let state = directory.access_request(request, at(64)).await.unwrap().unwrap().state;
        assert_eq!(state, RequestState::Approved);
        assert_eq!(begin(at(1_000)).await, None);
        let other = waits(directory.file_request(asks(2), at(0)).await.unwrap()).id;
        assert_eq!(directory.begin_deciding(other, at(REQUEST_SECONDS)).await.unwrap(), None, "it lapsed");
        assert!(!directory.decline_request(other, at(REQUEST_SECONDS)).await.unwrap());
        let lapsed = directory.access_request(other, at(REQUEST_SECONDS)).await.unwrap().unwrap();
        assert_eq!(lapsed.state, RequestState::Lapsed);
        directory.drop_requests(at(3 * REQUEST_SECONDS)).await.unwrap();
        assert_eq!(directory.access_request(other, at(0)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_request_follows_its_grant_and_goes_with_it() {
    for directory in on_each_backend().await {
        let grant = noted(&directory, None).await;
        let asks = NewRequest { user: grant.user, client: grant.client, grant: grant.id, ..asks(1) };
        let request = waits(directory.file_request(asks, at(0)).await.unwrap()).id;
        let next = GrantRow { id: Directory::new_grant_id(), ..grant.clone() };
        assert!(directory.replace_grant(grant.id, &next).await.unwrap());
        let found = directory.access_request(request, at(1)).await.unwrap().unwrap();
        assert_eq!(found.grant, next.id);
        directory.end_grant(next.id).await.unwrap();
        assert_eq!(directory.access_request(request, at(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_request_is_approved_with_its_grant_or_neither() {
    for directory in on_each_backend().await {
        let grant = noted(&directory, None).await;
        let asks = NewRequest { user: grant.user, client: grant.client, grant: grant.id, ..asks(1) };
        let request = waits(directory.file_request(asks.clone(), at(0)).await.unwrap()).id;
        let state = async |request| directory.access_request(request, at(200)).await.unwrap().unwrap().state;
        let slow = directory.begin_deciding(request, at(1)).await.unwrap().unwrap();
        let wider = GrantRow { id: Directory::new_grant_id(), created: at(70), ..grant.clone() };
        assert!(directory.decline_request(request, at(62)).await.unwrap(), "it is taken for broken off");
        assert!(!directory.replace_grant_by(grant.id, &wider, Some(slow)).await.unwrap());
        assert_eq!(state(request).await, RequestState::Declined);
        assert!(directory.grant_row(grant.id).await.unwrap().is_some(), "what was declined is not granted");
        assert!(directory.grant_row(wider.id).await.unwrap().is_none());

        let request = waits(directory.file_request(asks, at(80)).await.unwrap()).id;
        let decision = directory.begin_deciding(request, at(81)).await.unwrap().unwrap();
        assert!(directory.replace_grant_by(grant.id, &wider, Some(decision)).await.unwrap());
        // Whatever fails from here on: it is approved.
        assert_eq!(state(request).await, RequestState::Approved);
        directory.stop_deciding(decision).await.unwrap();
        assert!(!directory.decline_request(request, at(200)).await.unwrap());
        assert_eq!(state(request).await, RequestState::Approved);
        assert!(directory.grant_row(wider.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn after_a_restore_nothing_waits_that_may_have_been_declined_since() {
    for directory in on_each_backend().await {
        let grant = noted(&directory, None).await;
        let asks = NewRequest { user: grant.user, client: grant.client, grant: grant.id, ..asks(1) };
        waits(directory.file_request(asks, at(0)).await.unwrap());
        directory.put_back(at(1)).await.unwrap();
        assert_eq!(directory.waiting_requests(None, at(1)).await.unwrap(), []);
    }
}
