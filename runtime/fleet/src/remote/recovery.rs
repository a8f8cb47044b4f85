//! Answers although nodes come and go: a node that goes away is left out of the next plan, one that returns is used again.
//!
//! The network is placed anew by whoever starts this, on the devices whose nodes are there; the inference that was under way is begun
//! again there. A plan for the same nodes is made once. Parts that a node has had before are not sent again.

use super::RemoteError;
use super::coordinator::Coordinator;
use crate::Answer;
use cnasc_bundle::Bundle;
use cnasc_ir::Fleet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places a bundle's network on another fleet, whose devices are some of its own.
pub type Placing = dyn Fn(&Bundle, Fleet) -> Result<Bundle, String>;

/// A fleet that goes on without nodes that are missing.
pub struct Steady {
    coordinator: Coordinator,
    /// For all nodes.
    whole: Arc<Bundle>,
    members: Vec<String>,
    placing: Box<Placing>,
    /// Which devices of the whole are there, and what they do; the plans made so far.
    plans: BTreeMap<Vec<bool>, Arc<Bundle>>,
    present: Vec<bool>,
    /// How often the network was placed anew.
    moves: u64,
}

impl Steady {
    /// Deploys `bundle` on `members`, all of which must be there.
    ///
    /// # Errors
    /// As [`Coordinator::deploy`].
    pub fn start(
        mut coordinator: Coordinator,
        bundle: Bundle,
        members: Vec<String>,
        placing: Box<Placing>,
    ) -> Result<Self, RemoteError> {
        coordinator.deploy(&bundle, &members)?;
        let present = vec![true; members.len()];
        let whole = Arc::new(bundle);
        let plans = BTreeMap::from([(present.clone(), Arc::clone(&whole))]);
        Ok(Self { coordinator, whole, members, placing, plans, present, moves: 0 })
    }

    /// How often the network was placed anew because a node went or came.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// The bundle for all nodes.
    #[must_use]
    pub fn whole(&self) -> &Bundle {
        &self.whole
    }

    /// The coordinator.
    #[must_use]
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The answer for `image`, and the bundle that gave it; its devices are those that took part.
    ///
    /// # Errors
    /// As [`Coordinator::infer`], where the cause is not a node that went away; where none is left; and where the network does not fit
    /// those that are.
    pub fn infer(&mut self, image: &[f32]) -> Result<(Answer, Arc<Bundle>), RemoteError> {
        let mut stale = self.there() != self.present;
        // Each failure takes a node away or is another one's; more of them than that is a network that comes and goes all the time.
        let mut attempts = 2 * self.members.len() + 1;
        loop {
            let result = if stale { self.place_again() } else { Ok(()) };
            let result = result.and_then(|()| self.coordinator.infer(image));
            attempts -= 1;
            match result {
                Ok(answer) => return Ok((answer, Arc::clone(&self.plans[&self.present]))),
                Err(error) if is_passing(&error) && attempts > 0 => {
                    if let RemoteError::Lost(node) = &error {
                        self.coordinator.wait_gone(node);
                    }
                    stale = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Which of the members are there.
    fn there(&self) -> Vec<bool> {
        let here = self.coordinator.here();
        self.members.iter().map(|member| here.contains(member)).collect()
    }

    fn place_again(&mut self) -> Result<(), RemoteError> {
        let present = self.there();
        if !present.contains(&true) {
            return Err(RemoteError::Missing(self.members.clone()));
        }
        let bundle = if let Some(bundle) = self.plans.get(&present) {
            Arc::clone(bundle)
        } else {
            let bundle = (self.placing)(&self.whole, some_devices(&self.whole.fleet, &present));
            let bundle = bundle.map_err(|problem| {
                RemoteError::Keys(format!("the network does not fit the nodes that are left: {problem}"))
            })?;
            Arc::new(bundle)
        };
        let members = self.members.iter().zip(&present).filter(|(_, present)| **present);
        let members: Vec<String> = members.map(|(member, _)| member.clone()).collect();
        self.coordinator.deploy_at_once(&bundle, &members)?;
        self.plans.insert(present.clone(), bundle);
        self.present = present;
        self.moves += 1;
        Ok(())
    }
}

/// Whether another attempt may do: somebody is gone, or was started anew and does not know what it was doing.
fn is_passing(error: &RemoteError) -> bool {
    use super::protocol::RefusalKind;
    let restarted = |kind: RefusalKind| matches!(kind, RefusalKind::Run | RefusalKind::Start);
    error.is_absence() || matches!(error, RemoteError::Refused { refusal, .. } if restarted(refusal.kind))
}

/// The devices of `fleet` for which `present` says so, and the links between them.
fn some_devices(fleet: &Fleet, present: &[bool]) -> Fleet {
    fn chosen<T: Clone>(all: &[T], present: &[bool]) -> Vec<T> {
        all.iter().zip(present).filter(|(_, present)| **present).map(|(one, _)| one.clone()).collect()
    }
    let links = chosen(&fleet.links, present).iter().map(|row| chosen(row, present)).collect();
    Fleet { devices: chosen(&fleet.devices, present), links, ..fleet.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::random::Seed;
    use cnasc_bundle::sample;
    use cnasc_ir::fleet::Backend;

    #[test]
    fn a_fleet_without_some_of_its_devices() {
        let fleet = sample::bundle(&sample::diamond(3), 3, Backend::Reference, &Seed::new(4)).fleet;
        let some = some_devices(&fleet, &[true, false, true]);
        assert_eq!(some.verify(), Ok(()));
        assert_eq!(some.devices, [fleet.devices[0].clone(), fleet.devices[2].clone()]);
        assert_eq!(some.links[0][1], fleet.links[0][2]);
    }
}
