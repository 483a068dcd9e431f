//! The gate.

use std::marker::PhantomData;
use std::sync::Arc;

use super::cache::{Cache, Known, Verdict};
use super::masks::{Questions, earliest};
use super::singled::Singled;
use super::{
    AppCaller, Caller, GateSeal, PeerKey, Permits, Read, Refusal, Replicate, Resources, Right, SchemaVersion, Write,
};
use crate::{Check, Decision, Engine, EngineUnavailable, Epoch, Grant, Object, SpaceId, Subject, Timestamp};

/// The one place where permits are minted.
pub struct Gate {
    id: u64,
    engine: Arc<dyn Engine>,
    pub(super) cache: Cache,
}

impl From<EngineUnavailable> for Refusal {
    fn from(error: EngineUnavailable) -> Self {
        Refusal::Unavailable(error.reason)
    }
}

impl Gate {
    /// `id` is drawn at random by the composition root, the only caller besides tests.
    pub fn new(id: u64, engine: Arc<dyn Engine>) -> Self {
        Gate { id, engine, cache: Cache::new() }
    }

    /// What the vault keeps to recognise this gate's permits.
    pub fn seal(&self) -> GateSeal {
        GateSeal { gate: self.id, clock: Arc::clone(self.engine.clock()) }
    }

    /// The permits of a request that reads. `resources` names the space and those of its collections
    /// that the request may touch.
    ///
    /// # Errors
    /// [`Refusal::Denied`] if the caller sees neither the space nor any of these collections, or there is none;
    /// [`Refusal::Unavailable`] if the engine could not decide.
    pub async fn read(&self, caller: &Caller, resources: &Resources, now: Timestamp) -> Result<Permits<Read>, Refusal> {
        self.mint(caller, resources, now).await
    }

    /// The permits of a request that writes: the same masks as [`Gate::read`] mints, under the other right.
    ///
    /// # Errors
    /// As [`Gate::read`].
    pub async fn write(
        &self,
        caller: &Caller,
        resources: &Resources,
        now: Timestamp,
    ) -> Result<Permits<Write>, Refusal> {
        self.mint(caller, resources, now).await
    }

    /// The permits of a request that reads under a grant that is not given yet: the same as [`Gate::read`] mints once it
    /// is, for whoever gives it to see what that would show. It shows its grantor nothing that they do not see themselves.
    ///
    /// # Errors
    /// As [`Gate::read`].
    pub async fn preview(
        &self,
        grant: &Grant,
        resources: &Resources,
        now: Timestamp,
    ) -> Result<Permits<Read>, Refusal> {
        // Before anything is asked, as there.
        let epoch = self.engine.clock().now();
        if grant.space != resources.space {
            return Err(Refusal::Denied);
        }
        let app = AppCaller::new(grant.holder, grant.id);
        let caller = Caller { user: grant.grantor, app: Some(app), device: None };
        let mut questions = Questions::foreseeing(&caller, grant);
        resources.collections.iter().for_each(|collection| questions.about(collection));
        let (answers, singled) = self.answers(&caller, &mut questions, now).await?;
        if !singled.too_many.is_empty() {
            return Err(Refusal::TooManyDocuments);
        }
        // What is previewed is not remembered: of this grant no token asks.
        let (verdict, found) = questions.conclude(&answers, &singled, now);
        self.permits(&caller, resources, epoch, verdict, found.into_iter().map(Some).collect())
    }

    /// The permit of one batch of a sync session with `peer`. It yields sealed bytes only and holds no masks.
    ///
    /// Its transport key proved the peer to be the device that `caller` names, of a person who sees the whole space; or
    /// `caller` names no device: then the peer is a replica, which stores the space for a person who may place it.
    ///
    /// # Errors
    /// [`Refusal::Denied`] for apps, and where the person may not; [`Refusal::Unavailable`] if the engine could not
    /// decide.
    pub async fn replicate(
        &self,
        caller: &Caller,
        peer: PeerKey,
        space: SpaceId,
        now: Timestamp,
    ) -> Result<Permits<Replicate>, Refusal> {
        let epoch = self.engine.clock().now();
        if caller.app.is_some() {
            return Err(Refusal::Denied);
        }
        let permission = if caller.device.is_some() { "view" } else { "place" };
        let check = Check::new(Object::new("space", space), permission, Subject::object("user", caller.user));
        let answers = self.ask(&[check], now).await?;
        if !answers.iter().all(Decision::allowed) {
            return Err(Refusal::Denied);
        }
        Ok(Permits {
            gate: self.id,
            epoch,
            caller: caller.clone(),
            space,
            schema: SchemaVersion::default(),
            collections: Vec::new(),
            manages: false,
            valid_until: answers.iter().fold(None, |until, answer| earliest(until, answer.valid_until)),
            right: PhantomData,
            peer,
        })
    }

    /// Whether all of what permits of this caller rest on is known, so that minting them asks the engine nothing.
    pub fn knows(&self, caller: &Caller, resources: &Resources, now: Timestamp) -> bool {
        let epoch = self.engine.clock().now();
        self.engine.is_fresh()
            && self
                .cache
                .look_up(caller, resources, epoch, now)
                .is_ok_and(|(verdict, known)| verdict.is_some() && known.iter().all(Option::is_some))
    }

    async fn mint<R: Right<Peer = ()>>(
        &self,
        caller: &Caller,
        resources: &Resources,
        now: Timestamp,
    ) -> Result<Permits<R>, Refusal> {
        // Before anything is asked: a change in between makes the permit stale, never too wide.
        let epoch = self.engine.clock().now();
        let (verdict, known) = if self.engine.is_fresh() {
            self.cache.look_up(caller, resources, epoch, now)?
        } else {
            (None, vec![None; resources.collections.len()])
        };
        let (verdict, known) = match verdict {
            Some(verdict) if known.iter().all(Option::is_some) => (verdict, known),
            _ => self.decide(caller, resources, epoch, now, known).await?,
        };
        self.permits(caller, resources, epoch, verdict, known)
    }

    /// The permits that follow from the verdict and from what is known of each collection.
    fn permits<R: Right<Peer = ()>>(
        &self,
        caller: &Caller,
        resources: &Resources,
        epoch: Epoch,
        verdict: Verdict,
        known: Vec<Option<Known>>,
    ) -> Result<Permits<R>, Refusal> {
        let mut valid_until = verdict.valid_until;
        let mut collections = Vec::with_capacity(known.len());
        for (collection, known) in resources.collections.iter().zip(known) {
            let Some(known) = known else { continue };
            valid_until = earliest(valid_until, known.valid_until);
            if let Some(mask) = known.mask {
                collections.push((collection.id, mask));
            }
        }
        // Who was given a part of a space sees that part of it.
        if !verdict.sees && collections.is_empty() {
            return Err(Refusal::Denied);
        }
        Ok(Permits {
            gate: self.id,
            epoch,
            caller: caller.clone(),
            space: resources.space,
            schema: resources.schema,
            collections,
            manages: verdict.manages,
            valid_until,
            right: PhantomData,
            peer: (),
        })
    }

    /// Asks the engine for the verdict and for every collection of which nothing is known.
    async fn decide(
        &self,
        caller: &Caller,
        resources: &Resources,
        epoch: Epoch,
        now: Timestamp,
        mut known: Vec<Option<Known>>,
    ) -> Result<(Verdict, Vec<Option<Known>>), Refusal> {
        let grant = self.grant_of(caller, resources.space).await?;
        let within = caller.app.as_ref().and_then(|app| app.within.as_ref());
        let narrowed = grant.as_ref().zip(within).map(|(grant, within)| within.of(grant));
        let mut questions = match &narrowed {
            Some(narrowed) => Questions::within(caller, narrowed),
            None => Questions::new(caller, grant.as_deref(), resources.space),
        };
        let mut missing = Vec::new();
        for (i, collection) in resources.collections.iter().enumerate() {
            if known[i].is_none() {
                questions.about(collection);
                missing.push(i);
            }
        }
        let (answers, singled) = self.answers(caller, &mut questions, now).await?;
        if !singled.too_many.is_empty() {
            let until = answers.iter().fold(singled.valid_until, |until, answer| earliest(until, answer.valid_until));
            self.cache.refuse(caller, resources, epoch, &singled.too_many, until);
            return Err(Refusal::TooManyDocuments);
        }
        let (verdict, found) = questions.conclude(&answers, &singled, now);
        let named = missing.iter().map(|&i| &resources.collections[i]).zip(&found);
        self.cache.keep(caller, resources, epoch, verdict, named);
        for (i, found) in missing.into_iter().zip(found) {
            known[i] = Some(found);
        }
        Ok((verdict, known))
    }

    /// Every answer that the masks follow from; of more single documents than are told apart, which collections hold them.
    async fn answers(
        &self,
        caller: &Caller,
        questions: &mut Questions<'_>,
        now: Timestamp,
    ) -> Result<(Vec<Decision>, Singled), Refusal> {
        let mut answers = self.ask(questions.checks(), now).await?;
        let singled = match questions.wanted(&answers) {
            None => Singled::default(),
            Some(wanted) => Singled::find(&*self.engine, caller.user, &wanted, now).await?,
        };
        if singled.too_many.is_empty() {
            let further = questions.about_fields(&answers, &singled);
            if !further.is_empty() {
                answers.extend(self.ask(&further, now).await?);
            }
        }
        Ok((answers, singled))
    }

    /// The grant that the caller's token names, if the caller is an app. A grant of another person, for
    /// another app or in another space is refused as one that does not exist.
    async fn grant_of(&self, caller: &Caller, space: SpaceId) -> Result<Option<Arc<Grant>>, Refusal> {
        let Some(app) = &caller.app else { return Ok(None) };
        let grant = self.engine.grant(app.grant).await?.ok_or(Refusal::Denied)?;
        let own =
            grant.id == app.grant && grant.holder == app.holder && grant.grantor == caller.user && grant.space == space;
        if own { Ok(Some(grant)) } else { Err(Refusal::Denied) }
    }

    async fn ask(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, Refusal> {
        let answers = self.engine.check(checks, now).await?;
        if answers.len() != checks.len() {
            return Err(Refusal::Unavailable("the engine left checks unanswered".to_owned()));
        }
        Ok(answers)
    }
}
