//! Leader election: one of several replicas works, and the others are standbys.
//!
//! A Lease names the leader. The leader renews it, and makes a call only while more time is left of
//! its authority than a call can take. Authority counts from when the last successful renewal was
//! sent. A standby acquires the Lease when it was released, or when the standby has observed it
//! unchanged for the lease duration. A new leader that did not observe a release waits for the
//! lease duration and a margin before its first call. A leader that loses the Lease exits, and
//! starts again as a standby. A leader that can't reach the API server does nothing, and continues
//! if it still holds the Lease.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | when to read, acquire, renew and release, without clock and client | `machine.rs` |
//! | whether other modules may work and make calls | `authority.rs` |
//! | the clock and the API server of the machine | `driver.rs` |
//! | the Lease in the API server | `lease.rs` |
//! | the durations | `timing.rs` |
//! | this process in the election | `candidate.rs` |

mod authority;
mod candidate;
mod driver;
mod lease;
mod machine;
mod timing;

#[cfg(test)]
mod tests;

pub use authority::{Authority, AuthorityError, Elected};
pub use candidate::Candidate;
pub use timing::Timing;
