//! A client: a connection that may break, and a mirror.

use std::sync::Arc;

use tokio::time::timeout;

use super::REST;
use crate::{
    broadcast::{Cursor, Encoding, LiveMap, Viewer},
    domain::{Filter, Revision},
    http::{
        frames::Frames,
        reader::{Binary, Mirror},
        session::NodeForm,
    },
};

pub(super) struct Client {
    pub(super) viewer: Option<Viewer>,
    pub(super) filter: Option<Filter>,
    pub(super) mirror: Mirror,
    pub(super) stalled: bool,
    encoding: Encoding,
    form: NodeForm,
    binary: Binary,
    /// That of the picture it holds.
    epoch: Arc<str>,
}

impl Client {
    pub(super) fn new(encoding: Encoding, form: NodeForm) -> Self {
        Self {
            viewer: None,
            filter: None,
            mirror: Mirror::default(),
            binary: Binary::default(),
            stalled: false,
            encoding,
            form,
            epoch: Arc::default(),
        }
    }

    pub(super) async fn subscribe(
        &mut self,
        live: &LiveMap,
        filter: Filter,
        resume: Option<Cursor>,
    ) {
        self.mirror.unanswered += 1;
        self.filter = Some(filter.clone());
        self.connect(live).await.subscribe(filter, resume).await.unwrap();
    }

    /// Asks for another filter and names its cursor besides.
    pub(super) async fn move_to(&mut self, live: &LiveMap, filter: Filter) {
        // While a request is unanswered, nobody knows which filter the cursor is for.
        let subscribed = self.viewer.is_some() && self.filter.is_some();
        let settled = subscribed && self.mirror.unanswered == 0;
        let resume = self.cursor().filter(|_| settled);
        self.subscribe(live, filter, resume).await;
    }

    /// Has lost what it held, and asks for everything again.
    pub(super) async fn ask_again(&mut self) {
        if let (Some(viewer), Some(_)) = (&self.viewer, &self.filter) {
            self.mirror.unanswered += 1;
            self.mirror.lost = true;
            self.mirror.held.clear();
            viewer.request_snapshot().await.unwrap();
        }
    }

    pub(super) async fn unsubscribe(&mut self) {
        if let Some(viewer) = &self.viewer {
            viewer.unsubscribe().await.unwrap();
            self.filter = None;
            self.mirror.revision = None;
        }
    }

    /// Reads `frames` frames at most, and everything that comes meanwhile.
    pub(super) async fn read(&mut self, mut frames: usize) {
        while let Some(viewer) = &self.viewer
            && frames > 0
            && let Ok(Some(delivery)) = timeout(REST, viewer.next()).await
        {
            let all = Frames::new(self.encoding, &self.epoch, delivery).in_form(self.form);
            for frame in all.take(frames) {
                frames -= 1;
                let message =
                    self.binary.message(self.encoding, &frame.whole(), &self.mirror).unwrap();
                self.mirror.hear(&message).unwrap();
            }
            if frames > 0 {
                viewer.delivered().await.unwrap();
            }
        }
    }

    /// The connection breaks after `frames` more frames.
    pub(super) async fn lose(&mut self, frames: usize) {
        self.read(frames).await;
        self.viewer = None;
        self.mirror.in_parts = false;
        if self.mirror.unanswered > 0 {
            self.mirror.revision = None;
        }
    }

    pub(super) async fn come_back(&mut self, live: &LiveMap) {
        let Some(filter) = self.filter.clone().filter(|_| self.viewer.is_none()) else { return };
        let resume = self.cursor();
        self.stalled = false;
        self.mirror.unanswered = 0;
        self.subscribe(live, filter, resume).await;
    }

    async fn connect(&mut self, live: &LiveMap) -> &Viewer {
        if self.viewer.is_none() {
            self.viewer = Some(live.join(self.encoding).await.unwrap());
            self.epoch = Arc::clone(live.epoch());
            self.mirror.newest = 0;
        }
        self.viewer.as_ref().unwrap()
    }

    fn cursor(&self) -> Option<Cursor> {
        let revision = self.mirror.revision?;
        Some(Cursor { epoch: self.epoch.to_string(), revision: Revision(revision) })
    }
}
