use std::time::Duration;

use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, HttpRequest};
use policy_core::UserId;

use super::*;
use crate::error::json_errors;

fn person(n: u8) -> Payer {
    Payer::Person(UserId::from_bytes([n; 16]))
}

async fn next(body: &mut Metered) -> Option<Result<Bytes, NotRead>> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await
}

#[actix_web::test]
async fn an_answer_that_nobody_reads_is_dropped_and_one_that_is_read_is_whole() {
    let answers = Pools::default().answers;
    let text: Bytes = (0..300_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    let take = || answers.take(person(1), 1_000, Duration::ZERO);
    let mut read = Metered::new(text.clone(), [Some(take().await.unwrap()), None]);
    let mut all = Vec::new();
    while let Some(chunk) = next(&mut read).await {
        all.extend_from_slice(&chunk.unwrap());
    }
    assert!(all == text);

    let charge = [Some(take().await.unwrap()), None];
    let rest = Rc::new(Rest { bytes: RefCell::new(Some((text, charge))), taken: Cell::new(0) });
    let mut stalled = Metered { length: 1_200_000, rest: Rc::clone(&rest) };
    watch(Rc::downgrade(&rest), Duration::from_millis(1)).await;
    assert!(matches!(next(&mut stalled).await, Some(Err(NotRead))));
    assert!(rest.bytes.borrow().is_none(), "with its charge");
}

#[actix_web::test]
async fn who_reads_slowly_gives_way_where_memory_is_short_and_not_before() {
    let answers = Pools::default().answers;
    let take = |who, bytes| answers.take(person(who), bytes, Duration::ZERO);
    let slow = async || {
        let charge = [Some(take(1, 20 << 20).await.unwrap()), None];
        let (bytes, taken) = (RefCell::new(Some((Bytes::from(vec![0; 100]), charge))), Cell::new(0));
        let rest = Rc::new(Rest { bytes, taken });
        let watching = actix_web::rt::spawn(watch(Rc::downgrade(&rest), Duration::from_millis(50)));
        for _ in 0..5 {
            actix_web::rt::time::sleep(Duration::from_millis(30)).await;
            rest.taken.set(rest.taken.get() + (1 << 20));
        }
        watching.abort();
        rest.bytes.borrow().is_some()
    };
    assert!(slow().await, "control: there is room for others");
    let others = [take(2, 99 << 20).await.unwrap(), take(3, 99 << 20).await.unwrap()];
    assert!(!slow().await, "it is next to full");
    drop(others);
    assert!(slow().await, "control");
    for (held, waiting, least) in [
        (0, 0, LEAST_READ),
        (50, 0, LEAST_READ),
        (51, 0, LEAST_READ_HALF_FULL),
        (100, 0, LEAST_READ_FULL),
        (1, 1, LEAST_READ_FULL),
    ] {
        assert_eq!(least_read(Use { total: 100, held, waiting }), least, "{held} {waiting}");
    }
}

/// What somebody is answered, whatever it is made of, is theirs to pay for.
#[actix_web::test]
async fn every_large_answer_is_charged_to_whoever_asked() {
    static KEPT: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    async fn made(request: HttpRequest) -> HttpResponse {
        request.extensions_mut().insert(person(1));
        let length: usize = request.match_info().query("length").parse().unwrap();
        HttpResponse::Ok().body(vec![b'x'; length])
    }
    async fn kept() -> HttpResponse {
        HttpResponse::Ok().body(KEPT.get_or_init(|| vec![b'x'; 5 << 20].into()).clone())
    }
    let pools = web::Data::new(Pools::default());
    let terms = Terms::own(LEAST_BODY);
    let charging = move |request: ServiceRequest, next: Next<BoxBody>| admitted(terms, request, next);
    let made = web::resource("/made/{length}").route(web::route().to(made));
    let app = App::new().app_data(pools.clone());
    let app = app.service(made.wrap(actix_web::middleware::from_fn(charging)));
    let kept = web::resource("/kept").route(web::get().to(kept));
    let app = init_service(app.service(kept.wrap(actix_web::middleware::from_fn(charging)))).await;
    let ask = async |method: Method, path: &str| {
        let request = TestRequest::with_uri(path).method(method).to_request();
        try_call_service(&app, request).await.unwrap().map_into_boxed_body()
    };
    let held = || pools.answers.usage().held;
    drop(ask(Method::GET, "/made/16384").await);
    let small = ask(Method::GET, "/made/16384").await;
    assert_eq!(held(), 0, "a small one is free");
    let large = ask(Method::GET, "/made/5000000").await;
    assert_eq!((large.status(), held()), (StatusCode::OK, 5_000_000));
    drop((small, large));
    assert_eq!(held(), 0, "when it is sent, or whoever asked has gone");
    let there = ask(Method::GET, "/kept").await;
    assert_eq!((there.status(), held()), (StatusCode::OK, 0), "what is there anyway costs nothing");

    let mut unread = Vec::new();
    let refused = loop {
        let answer = ask(Method::GET, "/made/5000000").await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        unread.push(answer);
        assert!(unread.len() < 20, "one who reads nothing has answers without end");
    };
    assert_eq!((refused.status(), unread.len()), (StatusCode::SERVICE_UNAVAILABLE, 7));
    assert_eq!(ask(Method::POST, "/made/5000000").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        ask(Method::GET, "/made/20000").await.status(),
        StatusCode::OK,
        "control: small ones do not wait for it"
    );
    let told = json_errors(&no_room(&Method::POST, StatusCode::CREATED)).into_body().try_into_bytes().unwrap();
    assert!(String::from_utf8_lossy(&told).contains("It is done"));
}

#[actix_web::test]
async fn a_body_that_does_not_come_on_is_let_go() {
    let pools = Pools::default();
    let lease = |payer| pools.bodies.take(payer, 3_000, Duration::ZERO);
    let counted = async |body: Payload, pause: u64, within: Option<u64>| {
        let lease = Rc::new(RefCell::new(lease(person(1)).await.unwrap()));
        let within = within.map(|within| Instant::now() + Duration::from_millis(within));
        let counted = Counted::new(body, 1_000, lease, (Duration::from_millis(pause), within));
        counted.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>, _>>().map(|all| all.concat())
    };
    let trickle = |every: u64, count: usize| {
        let parts = futures::stream::unfold(count, move |left| async move {
            actix_web::rt::time::sleep(Duration::from_millis(every)).await;
            (left > 0).then(|| (Ok(Bytes::from_static(b"x")), left - 1))
        });
        Payload::Stream { payload: parts.boxed_local() }
    };
    assert_eq!(counted(trickle(5, 4), 200, None).await.unwrap(), b"xxxx", "control");
    let timed_out = |error: PayloadError| match error {
        PayloadError::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    };
    assert!(counted(trickle(500, 4), 50, None).await.is_err_and(timed_out), "nothing comes");
    assert!(counted(trickle(20, 1_000), 200, Some(100)).await.is_err_and(timed_out), "a little comes, for ever");
}
