//! The limits of a case in its key: the profile that sets them, and those that differ from it.

use super::Case;
use crate::{LIMITS, Limits, Profile, Protocol, key::Axis};

/// Returns the limits of a profile: [`Limits::of`] or [`Limits::for_any_peer`].
pub(super) type Preset = fn(Profile) -> Limits;

impl Case {
    /// Returns whether the case runs its protocol with the defaults of the library (`--profile stock`), without a bound
    /// on memory.
    pub fn is_stock(&self) -> bool {
        Protocol::by_name(&self.protocol).is_some_and(|protocol| self.limits.is_stock(protocol))
    }

    /// Returns the axes of the limits: the profile if it is not the default, and the limits that differ from it.
    pub(super) fn limit_axes(&self, preset: Preset) -> Vec<Axis> {
        let profile = self.profile(preset);
        let named = (profile != Profile::default()).then(|| Axis::setting(Axis::PROFILE, profile.name()));
        named.into_iter().chain(self.differences(preset(profile))).collect()
    }

    /// Returns the profile that names the limits of the case: `stock`, or else the one that sets all limits as they are,
    /// also those of other protocols, if it changes a limit of this protocol.
    fn profile(&self, preset: Preset) -> Profile {
        if self.is_stock() {
            return Profile::Stock;
        }
        if self.differences(preset(Profile::default())).next().is_none() {
            return Profile::default();
        }
        let is_exact = |profile: &Profile| {
            let limits = preset(*profile);
            LIMITS.iter().all(|limit| self.limits.get(limit) == limits.get(limit))
        };
        [Profile::Lean, Profile::Fast].into_iter().find(is_exact).unwrap_or_default()
    }

    /// Returns the axes of the protocol's limits whose values differ from those of `other`.
    fn differences(&self, other: Limits) -> impl Iterator<Item = Axis> {
        let protocol = Protocol::by_name(&self.protocol);
        LIMITS
            .iter()
            .filter(move |limit| protocol.is_some_and(|protocol| limit.applies_to(protocol)))
            .map(|limit| (limit, self.limits.get(limit)))
            .filter(move |(limit, value)| *value != other.get(limit))
            .map(|(limit, value)| Axis::setting(limit.flag, value))
    }

    /// Puts the name of a profile into the recorded key, in the place of the limits that it sets. Earlier versions wrote
    /// each of them. Most keys have no limit, and are left alone at once.
    pub(crate) fn name_profile(&mut self) {
        let Some(mut key) = self.recorded_key().cloned() else { return };
        if !key.axes.iter().any(Axis::is_limit) || key.axis(Axis::PROFILE).is_some() {
            return;
        }
        for preset in [Limits::of as Preset, Limits::for_any_peer] {
            let spelled: Vec<Axis> = self.differences(preset(Profile::default())).collect();
            let named = self.limit_axes(preset);
            if key.axes.ends_with(&spelled) {
                key.axes.truncate(key.axes.len().saturating_sub(spelled.len()));
                key.axes.extend(named);
                return self.set_key(Some(key));
            }
        }
    }

    /// Removes the limits at their defaults from the key of a transfer to any peer. Earlier versions wrote them.
    pub(crate) fn leave_out_defaults_for_any_peer(&mut self) {
        let defaults = Limits::for_any_peer(Profile::default());
        let is_default =
            |axis: &Axis| LIMITS.iter().any(|limit| *axis == Axis::setting(limit.flag, defaults.get(limit)));
        if let Some(mut key) = self.recorded_key().cloned() {
            key.axes.retain(|axis| !is_default(axis));
            self.set_key(Some(key));
        }
    }
}
