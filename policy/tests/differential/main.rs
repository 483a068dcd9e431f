//! scratch
mod answer;
mod dice;
mod grow;
mod spicedb;
mod world;

use answer::*;
use policy_core::*;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survey() {
    let server = spicedb::Server::start(std::path::Path::new("/root/oracle/spicedb")).await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let rounds: u64 = std::env::var("ROUNDS").map_or(20, |r| r.parse().unwrap());
    let from: u64 = std::env::var("FROM").map_or(0, |r| r.parse().unwrap());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: &str| *counts.entry(what.to_owned()).or_default() += 1;
    let start = std::time::Instant::now();
    let mut shown = BTreeMap::<String, usize>::new();
    let mut spent = [0.0; 5];
    for seed in from..from + rounds {
        let mut dice = dice::Dice::new(seed);
        let world = grow::world(&mut dice, now);
        let text = world.schema.text();
        let mut store = server.store(&format!("w{seed}"));
        if world.circles { store.patience = std::time::Duration::from_secs(3); }
        let t = std::time::Instant::now();
        if let Err(status) = store.write_schema(&text).await {
            count("schema refused");
            println!("seed {seed}: {:?} {}\n{text}", status.code(), status.message());
            continue;
        }
        count("schema ok");
        if let Err(status) = store.write(&world.relationships).await {
            count("relationships refused");
            println!("seed {seed}: {:?} {}\n{text}", status.code(), status.message());
            for t in &world.relationships { println!("{}", t.to_text()); }
            continue;
        }
        spent[0] += t.elapsed().as_secs_f64();
        let q = grow::questions::questions(&mut dice, &world, grow::questions::Measure { checks: if world.circles {200} else {800}, lookups: if world.circles {6} else {40} });
        let t = std::time::Instant::now();
        let mut slow = false;
        for chunk in q.checks.chunks(if world.circles { 40 } else { 10_000 }) {
        if slow { break }
        let answers = store.check_bulk(chunk).await;
        slow = answers.iter().any(|a| matches!(a, Answer::Error(Fault::Slow)));
        for (i, (c, a)) in chunk.iter().zip(&answers).enumerate() {
            let a2 = if i % 40 == 0 && !slow && !world.circles { Some(store.check(c).await) } else { None };
            if let Some(a2) = a2 { if &a2 != a { count("bulk != single"); 
                let n = shown.entry("bulk".into()).or_default(); *n += 1;
                if *n < 5 { println!("seed {seed} bulk {c} {:?}: {a:?} single {a2:?}", c.context); } } else {count("bulk == single");} }
            let class = format!("check {} {}", if world.circles {"circles"} else {"plain"}, match a { Answer::Conditional(_) => "maybe".into(), Answer::Error(Fault::Other(m)) => format!("err {}", m.chars().take(50).collect::<String>()), a => format!("{a:?}") });
            count(&class);
        }
        }
        spent[1] += t.elapsed().as_secs_f64();
        let t = std::time::Instant::now();
        for l in &q.resources {
            if slow { break }
            let got = store.lookup_resources(l).await;
            match got {
                Err(f) => count(&format!("LR err {}", match f { Fault::Other(m) => m.chars().take(60).collect(), f => format!("{f:?}") })),
                Ok(e) => {
                    let e = merged(e);
                    let ids = grow::questions::ids(&world, &l.kind);
                    let checks: Vec<Check> = ids.iter().map(|id| Check { resource: Object::new(&l.kind, id), permission: l.permission.clone(), subject: l.subject.clone(), context: l.context.clone() }).collect();
                    let a = store.check_bulk(&checks).await;
                    for (c, a) in checks.iter().zip(a) {
                        let li = implied(&e, &c.resource.id);
                        match a.truth() { None => count("LR check err"), Some(t) if t == li => count(&format!("LR ok {t:?}")), Some(t) => { 
                            count(&format!("LR contradicts {}: lookup {li:?} check {t:?}", if world.circles {"circles"} else {"plain"}));
                            let n = shown.entry(format!("LR{li:?}{t:?}")).or_default(); *n += 1;
                            if *n < 3 { println!("seed {seed} {c} {:?}: lookup {li:?} check {a:?}", c.context); } } }
                    }
                }
            }
        }
        spent[2] += t.elapsed().as_secs_f64();
        let t = std::time::Instant::now();
        for l in &q.subjects {
            if slow { break }
            let got = store.lookup_subjects(l).await;
            match got {
                Err(f) => count(&format!("LS err {}", match f { Fault::Other(m) => m.chars().take(60).collect(), f => format!("{f:?}") })),
                Ok(e) => {
                    let mut e2: Vec<&str> = e.iter().map(|e| e.id.as_str()).collect();
                    e2.sort(); let n = e2.len(); e2.dedup(); if e2.len() != n { count("LS doubles"); }
                    let ids = grow::questions::ids(&world, &l.kind);
                    let checks: Vec<Check> = ids.iter().map(|id| Check { resource: l.resource.clone(), permission: l.permission.clone(), subject: Subject { object: Object::new(&l.kind, id), relation: l.relation.clone() }, context: l.context.clone() }).collect();
                    let a = store.check_bulk(&checks).await;
                    for (c, a) in checks.iter().zip(a) {
                        let li = implied(&e, &c.subject.object.id);
                        match a.truth() { None => count("LS check err"), Some(t) if t == li => count(&format!("LS ok {t:?}")), Some(t) => { 
                            count(&format!("LS contradicts {}: lookup {li:?} check {t:?} {}", if world.circles {"circles"} else {"plain"}, if l.relation.is_some() {"set"} else {"obj"}));
                            let n = shown.entry(format!("LS{li:?}{t:?}")).or_default(); *n += 1;
                            if *n < 3 { println!("seed {seed} {c} {:?}: lookup {li:?} check {a:?}\n{text}", c.context); for t in &world.relationships { println!("{}", t.to_text()); } } } }
                    }
                }
            }
        }
        spent[3] += t.elapsed().as_secs_f64();
        if slow { count("slow worlds"); println!("slow {seed}"); }
    }
    for (k, v) in counts { println!("{v:>8}  {k}"); }
    println!("{:?} {spent:?}", start.elapsed());
}
