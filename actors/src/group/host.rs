//! The actor that puts a group's owner to work, on the node that created the group.

use std::time::Duration;

use super::owner::{Owner, World};
use super::roll::News;
use super::wire::{Ask, Told};
use crate::actor::{Actor, ActorRef, CastError, Context, Down, Message, MonitorId, TimerId};
use crate::failure::Failure;

type Mirror<M> = ActorRef<Told<M>>;

pub(super) struct Host<M: Message> {
    owner: Owner<ActorRef<M>, Mirror<M>, MonitorId>,
    timer: Option<TimerId>,
}

/// The host at work, beside the owner.
struct AtWork<'a, M: Message> {
    context: &'a mut Context<Ask<M>>,
    timer: &'a mut Option<TimerId>,
}

impl<M: Message> World<ActorRef<M>, Mirror<M>, MonitorId> for AtWork<'_, M> {
    fn watch_member(&mut self, member: &ActorRef<M>) -> MonitorId {
        self.context.monitor(member)
    }

    fn watch_mirror(&mut self, mirror: &Mirror<M>) -> MonitorId {
        self.context.monitor(mirror)
    }

    fn unwatch(&mut self, watch: MonitorId) {
        self.context.demonitor(watch);
    }

    fn tell(&mut self, mirror: &Mirror<M>, news: News<ActorRef<M>>) -> bool {
        !matches!(mirror.cast_now(Told::News(news)), Err(CastError::Full(_)))
    }

    fn again_in(&mut self, pause: Duration) {
        // Whoever says that a timer has come, there is one.
        if let Some(before) = self.timer.take() {
            self.context.cancel(before);
        }
        *self.timer = Some(self.context.cast_after(pause, Ask::Again));
    }
}

impl<M: Message> Actor for Host<M> {
    type Message = Ask<M>;
    type Args = ();

    fn start(_: &mut Context<Ask<M>>, (): ()) -> Result<Self, Failure> {
        Ok(Self { owner: Owner::default(), timer: None })
    }

    fn handle(&mut self, context: &mut Context<Ask<M>>, ask: Ask<M>) -> Result<(), Failure> {
        let Self { owner, timer } = self;
        let world = &mut AtWork { context, timer };
        match ask {
            Ask::Join(member, reply) => reply.send(owner.join(member, world))?,
            Ask::Leave(member, reply) => reply.send(owner.leave(member, world))?,
            Ask::Mirror(mirror) => owner.follow(mirror, world),
            Ask::Again => owner.again(world),
        }
        Ok(())
    }

    fn down(&mut self, context: &mut Context<Ask<M>>, monitor: MonitorId, down: Down) -> Result<(), Failure> {
        let Self { owner, timer } = self;
        owner.down(monitor, down.in_place, &mut AtWork { context, timer });
        Ok(())
    }
}
