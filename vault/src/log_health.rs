//! Whether the log reads, from its begin to its end.

use std::collections::HashMap;

use policy_core::DeviceId;
use sea_orm::DbErr;
use vault_core::frame::{Frame, FrameError};

use crate::admission::Admission;
use crate::log::{Chains, Row, Scope, TOLD_OTHERWISE, told_of};

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
    /// The keys by which devices, and the root of the account, sign.
    signers: HashMap<DeviceId, [u8; 32]>,
    chains: Chains,
    health: LogHealth,
}

impl Reading {
    fn fault(&mut self, row: &Row, what: impl std::fmt::Display) {
        if self.health.faults.len() < NAMED {
            self.health.faults.push(format!("at position {}: {what}", row.position()));
        }
    }

    /// Takes rows that go on where it is: hashes, signatures, what lies beside each frame, and the chain of each device and
    /// lane.
    fn read(&mut self, rows: &[Row]) {
        for row in rows {
            match Frame::decode(row.body()) {
                Err(error) => {
                    self.fault(row, error);
                    // What follows can be compared with nothing else.
                    self.chains.insert((row.lane(), row.device()), (row.last(), row.tip()));
                }
                Ok(frame) => {
                    if let Err(error) = self.look_at(row, &frame) {
                        self.fault(row, error);
                    }
                    self.health.commits += frame.entries.len() as u64;
                    let last = frame.last();
                    self.chains.insert((frame.lane, frame.txn.device), (last.commit.seq, last.cid));
                }
            }
        }
    }

    fn look_at(&self, row: &Row, frame: &Frame) -> Result<(), FrameError> {
        if told_of(frame) != row.told() {
            return Err(TOLD_OTHERWISE);
        }
        let signer = self.signers.get(&frame.txn.device).ok_or(FrameError::Device)?;
        if !frame.txn.verify(signer) {
            return Err(FrameError::Signature);
        }
        let held = self.chains.get(&(frame.lane, frame.txn.device));
        let (seq, tip) = held.map_or((0, None), |(seq, cid)| (*seq, Some(*cid)));
        let first = &frame.first().commit;
        if (first.seq, first.prev) == (seq + 1, tip) {
            return Ok(());
        }
        Err(FrameError::Chain("it does not go on where its chain was"))
    }
}

impl Admission {
    /// Reads the log: every frame has the hashes that it names, the signature of its device, and beside it what it is; every
    /// chain goes on from commit to commit, and ends no earlier than is known here. No keys are needed for it.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub async fn look_at_log(&self) -> Result<LogHealth, DbErr> {
        let mut all = LogHealth::default();
        for scope in self.log().scopes() {
            let mut health = self.look_at_chains(scope).await?;
            if !health.faults.is_empty() {
                // What is put anew meanwhile (commits that a clock had dated ahead) looks like a break once, not twice.
                health = self.look_at_chains(scope).await?;
            }
            all.commits += health.commits;
            let room = NAMED.saturating_sub(all.faults.len());
            all.faults.extend(health.faults.into_iter().take(room));
        }
        Ok(all)
    }

    async fn look_at_chains(&self, scope: Scope) -> Result<LogHealth, DbErr> {
        let (known, end) = (self.log().chains(scope), self.log().position(scope));
        let account = self.owner(scope).and_then(|owner| self.account(owner));
        let signers = account.iter().flat_map(|lane| lane.signers()).collect();
        let (mut reading, mut after) = (Reading { signers, ..Reading::default() }, 0);
        while after < end {
            let rows = self.log().rows(scope, false, after, ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = last.position();
            let work = move || {
                reading.read(&rows);
                reading
            };
            let broken = |_| DbErr::Custom("the reading of the log was broken off".to_owned());
            reading = tokio::task::spawn_blocking(work).await.map_err(broken)?;
        }
        let Reading { chains, mut health, .. } = reading;
        let short =
            known.iter().filter(|(chain, (seq, _))| chains.get(chain).is_none_or(|(read, _)| read < seq)).count();
        if short > 0 {
            health.faults.push(format!("{short} chains end earlier than this node knows them to"));
        }
        Ok(health)
    }
}
