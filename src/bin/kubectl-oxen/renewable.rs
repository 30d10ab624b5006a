//! A session whose credentials can expire.

use std::{rc::Rc, time::Duration};

use tokio::sync::Mutex;

use crate::{cli::Global, exec::Terminal, outcome::Failure, session::Session};

/// How long renewed credentials are expected to be accepted. Where they are refused before, they
/// are not renewed again.
pub const RENEWED: Duration = Duration::from_secs(60);

/// A session that can be opened again, where the API server no longer accepts its credentials.
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
        let session = Session::open(flags).await?;
        let mut flags = flags.clone();
        // Another current context or namespace, chosen meanwhile, is not what this run is about.
        flags.context.clone_from(&session.place().context);
        flags.namespace = Some(session.namespace.clone());
        Ok(Self {
            flags,
            session: Mutex::new(Rc::new(session)),
        })
    }

    /// The session that was opened last.
    pub async fn current(&self) -> Rc<Session> {
        self.session.lock().await.clone()
    }

    /// Opens a session in place of `old`: it reads the kubeconfig again, and runs the credential
    /// plugin again, which may use the terminal as `terminal` says. Of several callers that had the
    /// same session, only the first one does.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn renew(
        &self,
        old: &Rc<Session>,
        terminal: Terminal,
    ) -> Result<Rc<Session>, Failure> {
        let mut current = self.session.lock().await;
        if Rc::ptr_eq(&current, old) {
            *current = Rc::new(Session::open_with(&self.flags, terminal).await?);
        }
        Ok(current.clone())
    }
}
