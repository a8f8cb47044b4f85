//! Answers although nodes come and go: a node that goes away is left out of the next plan, one that returns is used again, and one that
//! has become slow ([`pace`]) is given less. Of nodes that reach the coordinator and not each other ([`apart`]) some are left out.
//!
//! The network is placed anew by whoever starts this, on the devices whose nodes are there; the inferences that were under way are begun
//! again there, and answers come in the order of the images. A plan for the same nodes is made once. Parts that a node has had before are not sent again.

pub mod apart;
pub mod pace;

use super::RemoteError;
use super::coordinator::{Coordinator, InFlight, MAX_IN_FLIGHT};
use crate::{Answer, DeviceReport};
use apart::Apart;
use cnasc_bundle::Bundle;
use cnasc_ir::Fleet;
use pace::Pace;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Places a bundle's network on another fleet, whose devices are some of its own.
pub type Placing = dyn Fn(&Bundle, Fleet) -> Result<Bundle, String>;

/// A fleet that goes on without nodes that are missing.
pub struct Steady {
    coordinator: Coordinator,
    /// For all nodes.
    whole: Arc<Bundle>,
    members: Vec<String>,
    placing: Box<Placing>,
    /// The plans made so far.
    plans: BTreeMap<State, Arc<Bundle>>,
    /// What is deployed is placed for.
    state: State,
    pace: Pace,
    apart: Apart,
    /// How often the network was placed anew.
    moves: u64,
    /// Whether what is deployed can't answer any more.
    stale: bool,
    queue: VecDeque<Waiting>,
}

/// What a plan is made for: of each member whether it is there, and how much slower than usual it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    present: Vec<bool>,
    slower: Vec<u32>,
}

/// An image without an answer.
struct Waiting {
    image: Vec<f32>,
    /// Absent where it has to be begun, for the first time or again.
    flight: Option<InFlight>,
    handed_over: Instant,
}

/// An answer and where it comes from.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its time counts from when the image was handed over, whatever happened since.
    pub answer: Answer,
    /// The bundle that gave it; its devices are those that took part.
    pub bundle: Arc<Bundle>,
    /// When the attempt that gave it began, which is what its times are counted from.
    pub began: Instant,
}

impl Steady {
    /// Deploys `bundle` on `members`, all of which must be there. Where some don't reach each other, the first inference is placed without them.
    ///
    /// # Errors
    /// As [`Coordinator::deploy`].
    pub fn start(
        mut coordinator: Coordinator,
        bundle: Bundle,
        members: Vec<String>,
        placing: Box<Placing>,
    ) -> Result<Self, RemoteError> {
        let mut apart = Apart::default();
        let stale = match coordinator.deploy(&bundle, &members) {
            Err(error) if apart.note(&error, &members, Instant::now()) => true,
            other => other.map(|()| false)?,
        };
        let pace = Pace::new(members.len());
        let state = State { present: vec![true; members.len()], slower: pace.slower() };
        let whole = Arc::new(bundle);
        let plans = BTreeMap::from([(state.clone(), Arc::clone(&whole))]);
        let (moves, queue) = (0, VecDeque::new());
        Ok(Self { coordinator, whole, members, placing, plans, state, pace, apart, moves, stale, queue })
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
    pub fn infer(&mut self, image: Vec<f32>) -> Result<Given, RemoteError> {
        self.begin(image);
        self.finish().expect("one was begun")
    }

    /// Hands over an image; its answer is that of a later [`finish`](Self::finish), in the same order. At most [`MAX_IN_FLIGHT`] may be
    /// under way at once.
    pub fn begin(&mut self, image: Vec<f32>) {
        debug_assert!(self.queue.len() < MAX_IN_FLIGHT);
        self.queue.push_back(Waiting { image, flight: None, handed_over: Instant::now() });
        // What goes wrong here goes wrong again when the answer is asked for, and is dealt with there.
        if !self.stale && self.there() == self.state.present {
            self.stale |= self.launch().is_err();
        }
    }

    /// How many inferences are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.len()
    }

    /// The answer to the image that was handed over first of those that have none; `None` where all have one.
    ///
    /// # Errors
    /// As [`infer`](Self::infer).
    pub fn finish(&mut self) -> Option<Result<Given, RemoteError>> {
        // Each failure takes a node away or is another one's; more of them than that is a network that comes and goes all the time.
        let mut attempts = 2 * self.members.len() + 1;
        loop {
            let handed_over = self.queue.front()?.handed_over;
            self.apart.forget(Instant::now());
            self.stale |= self.there() != self.state.present;
            let result = self.ready().and_then(|flight| {
                let began = flight.began();
                let mut answer = self.coordinator.finish(flight)?;
                answer.seconds += began.saturating_duration_since(handed_over).as_secs_f64();
                Ok(Given { answer, bundle: Arc::clone(&self.plans[&self.state]), began })
            });
            attempts -= 1;
            match result {
                Err(error) if is_passing(&error) && attempts > 0 => {
                    if let RemoteError::Lost(node) = &error {
                        self.coordinator.wait_gone(node);
                    }
                    self.apart.note(&error, &self.members, Instant::now());
                    self.stale = true;
                }
                other => {
                    self.queue.pop_front();
                    if let Ok(given) = &other {
                        let ratios = self.ratios(given);
                        self.stale |= self.pace.note(&ratios, Instant::now());
                    }
                    return Some(other);
                }
            }
        }
    }

    /// The first inference of the queue, begun on the nodes that are there.
    fn ready(&mut self) -> Result<InFlight, RemoteError> {
        if self.stale {
            self.queue.iter_mut().for_each(|waiting| waiting.flight = None);
            self.place_again()?;
            self.stale = false;
        }
        self.launch()?;
        let flight = self.queue.front_mut().and_then(|waiting| waiting.flight.take());
        Ok(flight.expect("all of the queue were begun"))
    }

    /// Begins those of the queue that are not, in their order.
    fn launch(&mut self) -> Result<(), RemoteError> {
        for waiting in self.queue.iter_mut().filter(|waiting| waiting.flight.is_none()) {
            waiting.flight = Some(self.coordinator.begin(&waiting.image)?);
        }
        Ok(())
    }

    /// Which of the members are there and reach each other, as far as is known.
    fn there(&self) -> Vec<bool> {
        let here = self.coordinator.here();
        self.apart.without(self.members.iter().map(|member| here.contains(member)).collect())
    }

    /// Of each member that computed, seconds over what the plan gave it.
    fn ratios(&self, given: &Given) -> Vec<(usize, f64)> {
        let present = self.state.present.iter().enumerate().filter(|(_, present)| **present).map(|(member, _)| member);
        let ratio = |(member, report): (usize, &DeviceReport)| {
            // Of whole FLOPs, because a part that is folded into another's time has no span of its own in a plan.
            let planned = report.flops as f64 / self.whole.fleet.devices[member].compute;
            (member, report.busy_seconds / planned)
        };
        present.zip(&given.answer.devices).map(ratio).collect()
    }

    /// Which members have become slow, and how many times slower they are taken to be.
    #[must_use]
    pub fn slowed(&self) -> Vec<(String, u32)> {
        let all = self.members.iter().cloned().zip(self.pace.slower());
        all.filter(|(_, slower)| *slower > 1).collect()
    }

    fn place_again(&mut self) -> Result<(), RemoteError> {
        let state = State { present: self.there(), slower: self.pace.slower() };
        if !state.present.contains(&true) {
            return Err(RemoteError::Missing(self.members.clone()));
        }
        let bundle = if let Some(bundle) = self.plans.get(&state) {
            Arc::clone(bundle)
        } else {
            let bundle = (self.placing)(&self.whole, some_devices(&self.whole.fleet, &state));
            let bundle = bundle.map_err(|problem| {
                RemoteError::Keys(format!("the network does not fit the nodes that are left: {problem}"))
            })?;
            Arc::new(bundle)
        };
        let members = self.members.iter().zip(&state.present).filter(|(_, present)| **present);
        let members: Vec<String> = members.map(|(member, _)| member.clone()).collect();
        self.coordinator.deploy_at_once(&bundle, &members)?;
        self.plans.insert(state.clone(), bundle);
        self.state = state;
        self.moves += 1;
        Ok(())
    }
}

/// Whether another attempt may do: somebody is gone, or was started anew and does not know what it was doing.
fn is_passing(error: &RemoteError) -> bool {
    use super::protocol::RefusalKind;
    let restarted = |kind: RefusalKind| matches!(kind, RefusalKind::Run | RefusalKind::Start | RefusalKind::Link);
    error.is_absence() || matches!(error, RemoteError::Refused { refusal, .. } if restarted(refusal.kind))
}

/// The devices of `fleet` that are there, as fast as they are, and the links between them.
fn some_devices(fleet: &Fleet, state: &State) -> Fleet {
    fn chosen<T: Clone>(all: &[T], present: &[bool]) -> Vec<T> {
        all.iter().zip(present).filter(|(_, present)| **present).map(|(one, _)| one.clone()).collect()
    }
    let mut devices = fleet.devices.clone();
    for (device, &slower) in devices.iter_mut().zip(&state.slower) {
        device.compute /= f64::from(slower.max(1));
    }
    let links = chosen(&fleet.links, &state.present).iter().map(|row| chosen(row, &state.present)).collect();
    Fleet { devices: chosen(&devices, &state.present), links, ..fleet.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::random::Seed;
    use cnasc_bundle::sample;
    use cnasc_ir::fleet::{Backend, Device};

    #[test]
    fn a_fleet_without_some_of_its_devices() {
        let fleet = sample::bundle(&sample::diamond(3), 3, Backend::Reference, &Seed::new(4)).fleet;
        let state = State { present: vec![true, false, true], slower: vec![1, 1, 4] };
        let some = some_devices(&fleet, &state);
        assert_eq!(some.verify(), Ok(()));
        assert_eq!(some.devices[0], fleet.devices[0]);
        let slow = Device { compute: fleet.devices[2].compute / 4.0, ..fleet.devices[2].clone() };
        assert_eq!(some.devices[1..], [slow]);
        assert_eq!(some.links[0][1], fleet.links[0][2]);
    }
}
