//! A session whose credentials can expire.

use std::rc::Rc;

use tokio::sync::Mutex;

use crate::{cli::Global, outcome::Failure, session::Session};

/// A session that can be opened anew, where the API server no longer accepts its credentials.
pub struct Renewable {
    flags: Global,
    session: Mutex<Rc<Session>>,
}

impl Renewable {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn open(flags: &Global) -> Result<Self, Failure> {
        Ok(Self {
            flags: flags.clone(),
            session: Mutex::new(Rc::new(Session::open(flags).await?)),
        })
    }

    /// The session that was opened last.
    pub async fn current(&self) -> Rc<Session> {
        self.session.lock().await.clone()
    }

    /// Opens a session in place of `old`: it reads the kubeconfig again, and runs the credential
    /// plugin again. Of several callers that had the same session, only the first one does.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn renew(&self, old: &Rc<Session>) -> Result<Rc<Session>, Failure> {
        let mut current = self.session.lock().await;
        if Rc::ptr_eq(&current, old) {
            *current = Rc::new(Session::open(&self.flags).await?);
        }
        Ok(current.clone())
    }
}
