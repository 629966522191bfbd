//! Random histories of members against one group: whatever they do, in whatever order, the
//! invariants hold and everybody who waits is answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_groups::{
    Effect, Error, Group, GroupState, HeartbeatRequest, JoinRequest, LeavingMember, Options, Protocol,
    SyncRequest,
};

#[derive(Clone, Debug)]
enum Step {
    /// A client joins, with the id it knows, or anew if it forgot it.
    Join {
        client: usize,
        forget: bool,
        metadata: u8,
    },
    /// A client syncs, if it has joined.
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    Leave {
        client: usize,
    },
    /// Time passes.
    Wait {
        ms: u64,
    },
    /// The store answers the oldest open put, or all.
    Stored {
        ok: bool,
    },
    /// The broker restarts from what the store has.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..4usize;
    let step = prop_oneof![
        4 => (client.clone(), prop::bool::weighted(0.2), 0..3u8)
            .prop_map(|(client, forget, metadata)| Step::Join { client, forget, metadata }),
        4 => client.clone().prop_map(|client| Step::Sync { client }),
        2 => client.clone().prop_map(|client| Step::Heartbeat { client }),
        1 => client.prop_map(|client| Step::Leave { client }),
        3 => (1..12_000u64).prop_map(|ms| Step::Wait { ms }),
        4 => prop::bool::weighted(0.9).prop_map(|ok| Step::Stored { ok }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a client believes.
#[derive(Clone, Debug, Default)]
struct Client {
    member_id: String,
    generation: i32,
    leads: bool,
    members: Vec<String>,
}

/// What a leader assigns to a member. A static member keeps it under its next member id.
fn share(generation: i32, member_id: &str) -> Bytes {
    let who = if member_id.starts_with("instance") { &member_id[.."instance-0".len()] } else { member_id };
    Bytes::from(format!("{generation}:{who}"))
}

#[derive(Default)]
struct World {
    now: u64,
    group: Group,
    options: Options,
    clients: Vec<Client>,
    next_ticket: u64,
    joins: BTreeMap<u64, usize>,
    syncs: BTreeMap<u64, usize>,
    /// Puts that the store has not answered, oldest first.
    puts: Vec<(u64, Vec<u8>)>,
    stored: Option<Vec<u8>>,
    highest_generation: i32,
}

impl World {
    fn new() -> Self {
        World { clients: vec![Client::default(); 4], ..World::default() }
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Clients 2 and 3 are static members.
    fn instance(client: usize) -> Option<String> {
        (client >= 2).then(|| format!("instance-{client}"))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Join { client, forget, metadata } => self.join(client, forget, metadata),
            Step::Sync { client } => self.sync(client),
            Step::Heartbeat { client } => {
                let me = self.clients[client].clone();
                let request = HeartbeatRequest {
                    group_id: "g".into(),
                    generation: me.generation,
                    member_id: me.member_id,
                    instance_id: Self::instance(client),
                };
                let _ = self.group.heartbeat(self.now, &request);
            }
            Step::Leave { client } => {
                let member_id = self.clients[client].member_id.clone();
                let leaving = LeavingMember { member_id, instance_id: Self::instance(client) };
                let (_, effects) = self.group.leave(self.now, vec![leaving], &self.options);
                self.carry_out(effects);
            }
            Step::Wait { ms } => self.wait(ms),
            Step::Stored { ok } => self.store(ok),
            Step::Restart => self.restart(),
        }
        self.check();
    }

    fn join(&mut self, client: usize, forget: bool, metadata: u8) {
        if self.joins.values().chain(self.syncs.values()).any(|waiting| *waiting == client) {
            return;
        }
        if forget {
            self.clients[client].member_id.clear();
        }
        let ticket = self.ticket();
        self.joins.insert(ticket, client);
        let request = JoinRequest {
            group_id: "g".into(),
            member_id: self.clients[client].member_id.clone(),
            instance_id: Self::instance(client),
            client_id: format!("client-{client}"),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 20_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from(vec![metadata]) }],
            require_known_member_id: true,
            supports_skipping_assignment: client == 3,
        };
        let effects = self.group.join(self.now, ticket, request, &format!("{ticket:04}"), &self.options);
        self.carry_out(effects);
    }

    fn sync(&mut self, client: usize) {
        let me = self.clients[client].clone();
        let busy = self.joins.values().chain(self.syncs.values()).any(|waiting| *waiting == client);
        if busy || me.generation == 0 {
            return;
        }
        let ticket = self.ticket();
        self.syncs.insert(ticket, client);
        let assign = |member: &String| (member.clone(), share(me.generation, member));
        let assignments: Vec<_> = if me.leads { me.members.iter().map(assign).collect() } else { vec![] };
        let request = SyncRequest {
            group_id: "g".into(),
            generation: me.generation,
            member_id: me.member_id,
            instance_id: Self::instance(client),
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignments,
        };
        let effects = self.group.sync(self.now, ticket, request, &self.options);
        self.carry_out(effects);
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.group.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.group.on_time(self.now, &self.options);
            self.carry_out(effects);
        }
        self.now = until;
    }

    fn store(&mut self, ok: bool) {
        let Some((revision, snapshot)) = self.puts.pop() else {
            return;
        };
        self.puts.clear();
        let result = if ok { Ok(()) } else { Err(Error::NotAvailable("full".into())) };
        if ok {
            self.stored = Some(snapshot);
        }
        let effects = self.group.persisted(self.now, revision, result, &self.options);
        self.carry_out(effects);
    }

    fn restart(&mut self) {
        let gone = BTreeSet::from_iter(self.joins.values().chain(self.syncs.values()).copied());
        self.joins.clear();
        self.syncs.clear();
        self.puts.clear();
        for client in gone {
            self.clients[client].generation = 0;
        }
        self.group = match &self.stored {
            Some(snapshot) => Group::restore(snapshot, self.now).unwrap(),
            None => Group::new(),
        };
        // Generations that nobody was assigned anything in may be counted again.
        self.highest_generation = self.group.generation();
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Join(ticket, answer) => {
                    let client = self.joins.remove(&ticket).expect("a join is answered once");
                    let me = &mut self.clients[client];
                    match answer {
                        Ok(joined) => {
                            me.leads = joined.leader == joined.member_id && !joined.skip_assignment;
                            me.members = joined.members.iter().map(|m| m.member_id.clone()).collect();
                            me.generation = joined.generation;
                            me.member_id = joined.member_id;
                        }
                        Err(Error::MemberIdRequired { member_id }) => me.member_id = member_id,
                        Err(Error::UnknownMemberId | Error::FencedInstanceId) => *me = Client::default(),
                        Err(_) => {}
                    }
                }
                Effect::Sync(ticket, answer) => {
                    let client = self.syncs.remove(&ticket).expect("a sync is answered once");
                    let me = &self.clients[client];
                    if let Ok(synced) = answer {
                        assert_eq!(synced.assignment, share(me.generation, &me.member_id));
                    } else if answer == Err(Error::UnknownMemberId) {
                        self.clients[client] = Client::default();
                    }
                }
                Effect::Persist { revision, snapshot } => self.puts.push((revision, snapshot)),
            }
        }
    }

    fn check(&mut self) {
        assert!(self.group.generation() >= self.highest_generation, "the generation went back");
        self.highest_generation = self.group.generation();
        let members: Vec<&str> = self.group.member_ids().collect();
        match self.group.state() {
            GroupState::Empty | GroupState::Dead => assert!(members.is_empty()),
            GroupState::PreparingRebalance => {}
            GroupState::CompletingRebalance | GroupState::Stable => {
                let leader = self.group.leader().expect("a generation has a leader");
                assert!(members.contains(&leader), "the leader is a member");
            }
        }
    }

    /// With a store that answers and time that passes, everybody who waits is answered.
    fn settle(&mut self) {
        for _ in 0..200 {
            while !self.puts.is_empty() {
                self.store(true);
            }
            let Some(at) = self.group.next_deadline() else {
                break;
            };
            self.wait(at.saturating_sub(self.now) + 1);
            self.check();
        }
        assert!(self.joins.is_empty(), "a join hangs: {:?}", self.group);
        assert!(self.syncs.is_empty(), "a sync hangs: {:?}", self.group);
        assert_eq!(self.group.state(), GroupState::Empty, "nobody was heard of, so all are gone");
        assert_eq!(self.group.next_deadline(), None, "an empty group waits for nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_and_nobody_hangs(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
    }

    #[test]
    fn damaged_snapshots_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Group::restore(&bytes, 0);
    }
}
