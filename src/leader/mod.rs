//! Leader election: one of several replicas works, and the others are standbys.
//!
//! A Lease names the leader, which renews it. A standby acquires the Lease when it was released, or
//! when the standby has observed it unchanged for the lease duration. A leader that loses the Lease
//! exits, and starts again as a standby. A leader that can't reach the API server does nothing, and
//! continues if it still holds the Lease.
//!
//! # Why two processes never make calls at the same time
//!
//! An acquisition or a renewal gives its process authority for the renew deadline, counted from
//! when its request was sent. If the response is lost, the request gives no authority. A call
//! starts only if more of the authority is left than the call can take, so each call ends before
//! the authority does.
//!
//! Each acquisition and renewal replaces exactly the version of the Lease that its process knows.
//! Once another process has acquired the Lease, or a person has emptied it, deleted it or given it
//! to another holder, no renewal of the last leader succeeds any more. A new leader makes its first
//! call only when the authority of every process that led before has ended. There are three cases:
//!
//! - **It observed a release.** The last leader marks the Lease as released only when its own work
//!   has ended and it was itself allowed to make calls, so that the authority of those before it
//!   has ended too. A person who empties the Lease leaves no mark.
//! - **It observed an expiry.** The acquisition replaced a version that this process had observed
//!   for the whole lease duration. Every renewal of an earlier leader was sent before that version
//!   was first observed, so all authority ended one renew deadline later. The lease duration is
//!   longer than that, and no further wait is needed.
//! - **It observed neither.** The Lease was absent or had no holder, or the response to the
//!   acquisition was lost. Every renewal of an earlier leader was sent before the acquisition
//!   succeeded. The new leader waits for longer than the renew deadline, counted from when it knows
//!   of the acquisition.
//!
//! Each process measures these durations on its own monotonic clock, and no two clocks are
//! compared. By default, authority lasts 20 seconds, a Lease 30 seconds and the wait 25 seconds. So
//! the argument holds as long as no clock runs faster than another one by a quarter or more.
//!
//! The durations follow from the request timeout, which two processes may have set differently. A
//! Lease says for how long it lasts, and that is long enough for everyone who led before: while a
//! leader waits for a predecessor whose Lease lasted longer, its own Lease lasts as long. A process
//! uses its own durations or those in the Lease, whichever are longer.
//!
//! The argument has two limits. A process can be paused between its last check and the sending of
//! its call. And a process that finds no Lease doesn't know about a leader with a longer request
//! timeout whose Lease was deleted.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | when to read, acquire, renew and release, without clock and client | `machine.rs` |
//! | what a standby has observed of the Lease and of the last leader's end | `view.rs` |
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
mod view;

#[cfg(test)]
mod tests;

pub use authority::{Authority, AuthorityError, Elected};
pub use candidate::Candidate;
pub use timing::Timing;
