//! Whether the log reads, from its begin to its end.

use sea_orm::DbErr;
use vault_core::frame::Frame;

use crate::log::{Chains, Log, Row, Scope};

/// Rows that are read at a time: a frame has 16 MiB at most.
const ROWS: u64 = 16;
/// Faults that are named one by one.
const NAMED: usize = 16;

/// How the log reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogHealth {
    /// Commits that were read.
    pub commits: u64,
    /// Places that do not read, in words: the first sixteen.
    pub faults: Vec<String>,
}

/// What was read of a scope so far.
#[derive(Debug, Default)]
struct Reading {
    chains: Chains,
    health: LogHealth,
}

impl Reading {
    fn fault(&mut self, row: &Row, what: impl std::fmt::Display) {
        if self.health.faults.len() < NAMED {
            self.health.faults.push(format!("at position {}: {what}", row.position()));
        }
    }

    /// Takes rows that go on where it is: hashes, and the chain of each device and lane.
    fn read(&mut self, rows: &[Row]) {
        for row in rows {
            let chain = (row.lane(), row.device());
            match Frame::decode(row.body()) {
                Err(error) => self.fault(row, error),
                Ok(frame) if (frame.lane, frame.txn.device) != chain => self.fault(row, "a frame of another chain"),
                Ok(frame) => {
                    let (seq, tip) = self.chains.get(&chain).map_or((0, None), |(seq, cid)| (*seq, Some(*cid)));
                    let first = &frame.first().commit;
                    if (first.seq, first.prev) != (seq + 1, tip) {
                        self.fault(row, "it does not go on where its chain was");
                    }
                    self.health.commits += frame.entries.len() as u64;
                }
            }
            // Whatever it is, what follows is compared with what the index says of it.
            self.chains.insert(chain, (row.last(), row.tip()));
        }
    }
}

/// Reads the log: every frame has the hashes that it names, every chain goes on from commit to commit, and ends no earlier
/// than this node knows it to.
pub(crate) async fn look_at(log: &Log) -> Result<LogHealth, DbErr> {
    let mut all = LogHealth::default();
    for scope in log.scopes() {
        let mut health = look_at_chains(log, scope).await?;
        if !health.faults.is_empty() {
            // What is put anew meanwhile (commits that a clock had dated ahead) looks like a break once, not twice.
            health = look_at_chains(log, scope).await?;
        }
        all.commits += health.commits;
        let room = NAMED.saturating_sub(all.faults.len());
        all.faults.extend(health.faults.into_iter().take(room));
    }
    Ok(all)
}

async fn look_at_chains(log: &Log, scope: Scope) -> Result<LogHealth, DbErr> {
    let (known, end) = (log.chains(scope), log.position(scope));
    let (mut reading, mut after) = (Reading::default(), 0);
    while after < end {
        let rows = log.rows(scope, false, after, ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = last.position();
        let work = move || {
            reading.read(&rows);
            reading
        };
        let broken = |_| DbErr::Custom("the reading of the log was broken off".to_owned());
        reading = tokio::task::spawn_blocking(work).await.map_err(broken)?;
    }
    let Reading { chains, mut health } = reading;
    let short = known.iter().filter(|(chain, (seq, _))| chains.get(chain).is_none_or(|(read, _)| read < seq)).count();
    if short > 0 {
        health.faults.push(format!("{short} chains end earlier than this node knows them to"));
    }
    Ok(health)
}
