//! Subscriptions and the rules of asking and pushing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use tidemill_telemetry::*;
use uuid::Uuid;

fn subscription(configs: &[(&str, &str)]) -> Result<Subscription, InvalidSubscription> {
    let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Subscription::parse(&BTreeMap::from_iter(configs))
}

fn clients(subscriptions: &[&[(&str, &str)]]) -> Clients {
    let mut clients = Clients::default();
    clients.set_subscriptions(subscriptions.iter().map(|configs| subscription(configs).unwrap()).collect());
    clients
}

fn client(number: u128) -> ClientFacts {
    ClientFacts {
        instance_id: Uuid::from_u128(number),
        instance_name: number.to_string(),
        client_id: format!("client-{number}"),
        software_name: "apache-kafka-java".to_owned(),
        software_version: "4.3.1".to_owned(),
        address: Some("10.0.0.1:40000".parse().unwrap()),
    }
}

fn push(subscription_id: i32) -> Push {
    Push { subscription_id, terminating: false }
}

fn illegal(configs: &[(&str, &str)]) -> InvalidSubscription {
    subscription(configs).unwrap_err()
}

#[test]
fn what_is_no_subscription_is_refused() {
    assert_eq!(illegal(&[("nope", "1")]), InvalidSubscription::Unknown("nope".to_owned()));
    for interval in ["99", "3600001", "x", ""] {
        assert_eq!(illegal(&[("interval.ms", interval)]), InvalidSubscription::Interval(interval.to_owned()));
    }
    let long = format!("client_id={}", "x".repeat(513));
    let large = "client_id=(a{500}){500}";
    for pattern in ["client_id", "color=red", "client_id=", "client_id=(", "client_id=a)(b", "client_id=a=b"]
    {
        assert_eq!(illegal(&[("match", pattern)]), InvalidSubscription::Match(pattern.to_owned()));
    }
    for pattern in [&long, large] {
        assert!(matches!(illegal(&[("match", pattern)]), InvalidSubscription::Match(_)), "{pattern}");
    }
    subscription(&[("interval.ms", "100"), ("metrics", ""), ("match", "")]).unwrap();
}

#[test]
fn a_client_gets_what_all_subscriptions_that_fit_it_ask_for() {
    let mut all = clients(&[
        &[("metrics", "a.,b."), ("interval.ms", "60000")],
        &[
            ("metrics", "b.,c."),
            ("interval.ms", "1000"),
            ("match", "client_id=client-[12], client_software_name=.*java"),
        ],
        &[
            ("metrics", "*"),
            ("match", "client_source_address=10\\.0\\.0\\.1,client_source_port=4.*,client_id=client-2"),
        ],
        &[("metrics", "d."), ("match", "client_software_version=4")],
    ]);
    let first = all.subscribe(&client(1), 0).unwrap();
    assert_eq!((first.metrics, first.interval_ms), (vec!["a.".into(), "b.".into(), "c.".into()], 1000));
    assert_eq!(all.subscribe(&client(2), 0).unwrap().metrics, ["*"]);
    let third = all.subscribe(&client(3), 0).unwrap();
    assert_eq!((third.metrics, third.interval_ms), (vec!["a.".into(), "b.".into()], 60_000));
    let mut none = Clients::default();
    let granted = none.subscribe(&client(1), 0).unwrap();
    assert_eq!((granted.metrics, granted.interval_ms), (vec![], DEFAULT_INTERVAL_MS));
}

#[test]
fn requests_before_their_time_are_refused() {
    let mut all = clients(&[&[("metrics", "a."), ("interval.ms", "1000")]]);
    let id = all.subscribe(&client(1), 0).unwrap().subscription_id;
    assert_eq!(all.subscribe(&client(1), 999), Err(Refusal::TooEarly));
    all.push(&client(1), push(id), 10).unwrap();
    assert_eq!(all.push(&client(1), push(id), 1009), Err(Refusal::TooEarly));
    assert_eq!(all.subscribe(&client(1), 1009), Err(Refusal::TooEarly));
    assert_eq!(all.push(&client(1), push(id), 1010), Ok(1000));
    let last = Push { subscription_id: id, terminating: true };
    all.push(&client(1), last, 1011).unwrap();
    assert_eq!(all.push(&client(1), push(id), 9000), Err(Refusal::Invalid), "it has said goodbye");
    assert_eq!(all.push(&ClientFacts::default(), push(id), 9000), Err(Refusal::Invalid), "it has no name");
}

#[test]
fn a_change_of_subscriptions_reaches_clients_with_their_next_push() {
    let mut all = clients(&[&[("metrics", "a."), ("interval.ms", "1000")]]);
    let id = all.subscribe(&client(1), 0).unwrap().subscription_id;
    assert_eq!(all.push(&client(1), push(id ^ 1), 1), Err(Refusal::UnknownSubscription));
    assert_eq!(all.subscribe(&client(1), 2).unwrap().subscription_id, id, "it may ask again at once");
    all.set_subscriptions(vec![subscription(&[("metrics", "b.")]).unwrap()]);
    assert_eq!(all.push(&client(1), push(id), 3), Err(Refusal::UnknownSubscription));
    assert_eq!(all.subscribe(&client(1), 4).unwrap().metrics, ["b."]);
    assert_eq!(all.subscribe(&client(1), 5), Err(Refusal::TooEarly));
    all.let_ask_again(&client(1).instance_id);
    all.subscribe(&client(1), 6).unwrap();
}

#[test]
fn a_client_that_this_broker_does_not_know_yet_may_push() {
    let mut one = clients(&[&[("metrics", "a.")]]);
    let mut other = clients(&[&[("metrics", "a.")]]);
    let id = one.subscribe(&client(1), 0).unwrap().subscription_id;
    other.push(&client(1), push(id), 0).unwrap();
}

#[test]
fn clients_are_forgotten_when_silent_or_too_many() {
    let mut all = clients(&[&[("metrics", "a."), ("interval.ms", "30000")]]);
    all.subscribe(&client(1), 0).unwrap();
    assert!(all.expire(90_000).is_empty());
    assert_eq!(all.expire(90_001), [client(1).instance_id]);
    for number in 0..MAX_CLIENTS as u128 + 10 {
        all.subscribe(&client(number), 100_000).unwrap();
    }
    assert_eq!(all.len(), MAX_CLIENTS);
    assert_eq!(all.subscribe(&client(10), 100_001), Err(Refusal::TooEarly), "it is remembered");
    all.subscribe(&client(9), 100_001).unwrap();
}
