//! What the scans of one API key have found.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Identity, LiveStatus};

/// The largest number of models of one origin that a scan tries to confirm with live GETs.
const MOST_CONFIRMED: usize = 20;

/// The models that the last list of a key showed as unmanaged.
#[derive(Debug, Default)]
pub(super) struct Findings {
    candidates: BTreeMap<Identity, Candidate>,
    scans: u64,
}

/// A model that the list shows as unmanaged. The list may be older than the model's status.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    /// The scan in which a live GET was last due; 0 for none.
    tried: u64,
    /// Its live status, if the last live GET that succeeded showed it as unmanaged, too.
    unmanaged: Option<LiveStatus>,
}

impl Findings {
    /// Returns true once a list has been read.
    pub(super) fn is_known(&self) -> bool {
        self.scans > 0
    }

    /// Returns true if no list shows an unmanaged model.
    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Notes what a list shows as unmanaged, and forgets every other model. Returns the models that
    /// a live GET has to confirm in this scan, the least recently tried first.
    pub(super) fn due(&mut self, listed: BTreeSet<Identity>) -> Vec<Identity> {
        self.scans += 1;
        self.candidates
            .retain(|identity, _| listed.contains(identity));
        for identity in listed {
            self.candidates.entry(identity).or_default();
        }
        let mut oldest: Vec<(u64, &Identity)> = self
            .candidates
            .iter()
            .map(|(identity, candidate)| (candidate.tried, identity))
            .collect();
        oldest.sort_unstable();
        let due = oldest.into_iter().take(MOST_CONFIRMED);
        let due: Vec<Identity> = due.map(|(_, identity)| identity.clone()).collect();
        for identity in &due {
            if let Some(candidate) = self.candidates.get_mut(identity) {
                candidate.tried = self.scans;
            }
        }
        due
    }

    /// Forgets the models for which `is_managed` is true.
    pub(super) fn remove(&mut self, is_managed: impl Fn(&Identity) -> bool) {
        self.candidates.retain(|identity, _| !is_managed(identity));
    }

    /// Notes the live status of a model that a live GET showed as unmanaged, or `None` for a model
    /// that it showed as something else.
    pub(super) fn confirm(&mut self, identity: Identity, unmanaged: Option<LiveStatus>) {
        let tried = self.scans;
        let candidate = Candidate { tried, unmanaged };
        self.candidates.insert(identity, candidate);
    }

    /// The models that a live GET showed as unmanaged, with their live status.
    pub(super) fn unmanaged(&self) -> impl Iterator<Item = (Identity, LiveStatus)> {
        let all = self.candidates.iter();
        all.filter_map(|(identity, candidate)| Some((identity.clone(), candidate.unmanaged?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: impl IntoIterator<Item = usize>) -> BTreeSet<Identity> {
        let names = names.into_iter();
        let named = names.map(|number| Identity {
            id: format!("model-{number:03}"),
            owner: "acme".into(),
        });
        named.collect()
    }

    fn unmanaged(findings: &Findings) -> BTreeSet<Identity> {
        findings.unmanaged().map(|(identity, _)| identity).collect()
    }

    #[test]
    fn every_candidate_is_confirmed_within_a_few_scans() {
        let mut findings = Findings::default();
        for scan in 0..3 {
            let due = findings.due(models(0..50));
            assert_eq!(due.len(), MOST_CONFIRMED);
            for identity in due {
                findings.confirm(identity, Some(LiveStatus::Active));
            }
            assert_eq!(unmanaged(&findings).len(), (20 * (scan + 1)).min(50));
        }
        assert_eq!(unmanaged(&findings), models(0..50));
    }

    #[test]
    fn models_without_an_answer_do_not_hold_up_the_others() {
        let mut findings = Findings::default();
        let failing = findings.due(models(0..30));
        let others = findings.due(models(0..30));
        assert!(failing.len() == MOST_CONFIRMED && others.len() == MOST_CONFIRMED);
        let missing = models(0..30);
        let missing = missing.iter().filter(|it| !failing.contains(it));
        assert!(missing.clone().count() == 10);
        assert!(missing.into_iter().all(|it| others.contains(it)));
    }

    #[test]
    fn an_adopted_model_is_forgotten() {
        let mut findings = Findings::default();
        assert!(!findings.is_known());
        for identity in findings.due(models([1, 2])) {
            findings.confirm(identity, Some(LiveStatus::Active));
        }
        assert!(findings.is_known());
        findings.remove(|identity| models([1]).contains(identity));
        assert_eq!(unmanaged(&findings), models([2]));
    }

    #[test]
    fn only_what_a_live_get_shows_is_reported_until_the_list_drops_it() {
        let mut findings = Findings::default();
        let due = findings.due(models([1, 2]));
        assert_eq!(unmanaged(&findings), BTreeSet::new());
        findings.confirm(due[0].clone(), Some(LiveStatus::Unknown));
        findings.confirm(due[1].clone(), None);
        assert_eq!(unmanaged(&findings), models([1]));
        // The GETs of this scan fail.
        findings.due(models([1, 2]));
        assert_eq!(unmanaged(&findings), models([1]));
        findings.due(models([2]));
        assert_eq!(unmanaged(&findings), BTreeSet::new());
    }
}
