//! A broadcaster and its clients, all on one thread.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use geocast::{
    broadcast::{
        Broadcaster, Committed, Content, Encoding, Frame, LiveMap, Metrics, Settings, Viewer,
    },
    domain::{Commit, Continuation, Filter, Lifetimes, Patch, World},
    http::TickEncoder,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

use crate::story::{Mesh, clock};

const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(2),
    forget_after: Duration::from_hours(48),
    tombstones: Duration::from_hours(1),
};
const TICK: Duration = Duration::from_millis(100);

pub(crate) struct House {
    runtime: Runtime,
    commit: mpsc::Sender<Committed>,
    viewers: Vec<Viewer>,
    live: LiveMap,
    _broadcaster: JoinHandle<Continuation>,
}

impl House {
    /// Everybody in `mesh` has been heard, nobody looks.
    pub(crate) fn open(mesh: &mut Mesh) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let mut world = World::new(LIFETIMES);
        for patch in mesh.introductions() {
            world.apply(&patch, mesh.now());
        }
        world.seal();
        let settings = Settings { tick: TICK, epoch: "costs".to_owned() };
        let (encoder, metrics) = (TickEncoder::default(), Metrics::default());
        let guard = runtime.enter();
        let (broadcaster, live) =
            Broadcaster::new(world, encoder, settings, clock(mesh.now()), metrics);
        let (commit, committed) = mpsc::channel(1);
        #[expect(clippy::disallowed_methods, reason = "it ends with the runtime")]
        let broadcaster = tokio::spawn(broadcaster.run(committed));
        drop(guard);
        Self { runtime, commit, viewers: Vec::new(), live, _broadcaster: broadcaster }
    }

    /// One more looks, and has its picture.
    pub(crate) fn look(&mut self, encoding: Encoding, filter: Filter) {
        let viewer = self.runtime.block_on(async {
            let viewer = self.live.join(encoding).await.unwrap();
            viewer.subscribe(filter, None).await.unwrap();
            viewer.next().await.unwrap();
            viewer.delivered().await.unwrap();
            viewer
        });
        self.viewers.push(viewer);
    }

    /// What one more who looks is handed of its picture in pages.
    pub(crate) fn picture(
        &mut self,
        encoding: Encoding,
        in_columns: bool,
        filter: Filter,
    ) -> Vec<Bytes> {
        let content = self.runtime.block_on(async {
            let viewer = self.live.join(encoding).await.unwrap();
            viewer.subscribe(filter, None).await.unwrap();
            viewer.next().await.unwrap().content
        });
        let Content::Picture(mut picture) = content else { panic!("not a picture") };
        if in_columns {
            picture.excerpt.set_in_columns();
        }
        std::iter::from_fn(|| picture.excerpt.next_part::<TickEncoder>()).collect()
    }

    /// A tick with these patches, to the frames of those of the first `seeing` who look.
    pub(crate) fn tick(&mut self, patches: Vec<Patch>, seeing: usize) -> Vec<Frame> {
        let viewers = &self.viewers[..seeing];
        self.runtime.block_on(async {
            self.commit.send((Instant::now(), Commit::Made(patches))).await.unwrap();
            let delivered = viewers.iter().map(async |viewer| {
                let delivery = viewer.next().await.unwrap();
                viewer.delivered().await.unwrap();
                let Content::Tick(frames) = delivery.content else { panic!("not a tick") };
                frames
            });
            let frames = join_all(delivered).await;
            frames.iter().flat_map(|frames| frames.iter().cloned()).collect()
        })
    }
}
