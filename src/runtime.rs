//! The Tokio runtime of the program: how many threads it has, and how it ends.

use std::{env, ffi::OsStr, io};

use tokio::runtime::Builder;

/// The environment variable that sets the number of worker threads. Tokio reads it as well, but
/// panics if its value is no number.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// The number of worker threads if the environment sets none. The operator waits far more than it
/// computes, and Tokio's own default is a thread for each core of the node.
const WORKERS: usize = 2;

/// Runs a future to its end, and returns its output without waiting for blocking tasks. A DNS
/// look-up is a blocking task, and one that hangs must not delay the end of the process.
///
/// # Errors
///
/// Fails if `TOKIO_WORKER_THREADS` is no number of threads, or if the threads can't be started.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let workers = workers(env::var_os(WORKERS_VARIABLE).as_deref())?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    // Dropping the runtime would wait for its blocking tasks.
    runtime.shutdown_background();
    Ok(output)
}

/// The number of worker threads, where the environment sets this one.
fn workers(set: Option<&OsStr>) -> io::Result<usize> {
    let Some(set) = set else {
        return Ok(WORKERS);
    };
    let number = set.to_str().and_then(|set| set.parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| {
        let words = format!("{WORKERS_VARIABLE} must be a whole number from 1, and is {set:?}");
        io::Error::new(io::ErrorKind::InvalidInput, words)
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use tokio::{runtime::Handle, sync::oneshot, task::spawn_blocking};

    use super::*;

    #[test]
    fn a_blocking_task_that_hangs_does_not_delay_the_end() {
        let (release, released) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            let output = block_on(async move {
                let (begin, begun) = oneshot::channel();
                spawn_blocking(move || {
                    begin.send(()).unwrap();
                    released.recv()
                });
                begun.await.unwrap();
                "the output"
            });
            end.send(output.unwrap()).unwrap();
        });
        let output = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(output, Ok("the output"));
        // The task hangs until here.
        drop(release);
    }

    #[test]
    fn there_are_two_workers_unless_set() {
        let number = |set: &str| workers(Some(set.as_ref())).ok();
        assert_eq!(workers(None).unwrap(), WORKERS);
        for (set, expected) in [
            ("1", Some(1)),
            ("16", Some(16)),
            ("0", None),
            ("", None),
            ("-1", None),
            ("two", None),
        ] {
            assert_eq!(number(set), expected, "{set:?}");
        }
        // Where the tests run, nothing sets the number.
        if env::var_os(WORKERS_VARIABLE).is_none() {
            let workers = block_on(async { Handle::current().metrics().num_workers() });
            assert_eq!(workers.unwrap(), 2);
        }
    }
}
