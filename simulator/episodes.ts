// The faults that come as episodes, as a table: how often each comes, and what it does. (Faults of single messages are
// the broker's: see broker.ts and sim-bus.ts.)
import { serviceNames } from '../services.ts';
import { choreography } from '../shared/contract/choreography.ts';
import { consumedBy } from '../shared/contract/language.ts';
import { exchangeOf, queueOf } from '../shared/contract/topology.ts';
import { failpoints } from '../shared/runtime/storage/group-commit.ts';
import type { FaultKind } from './environment/faults.ts';
import { type OrderService, openOrdersOf } from './environment/instances.ts';
import { poisonKinds, poisonOf } from './environment/poison.ts';
import type { Random } from './environment/random.ts';
import type { SimDatabase } from './environment/sim-database.ts';
import type { SimService } from './environment/sim-service.ts';
import type { World } from './world.ts';

interface Episode {
  readonly kind: FaultKind;
  /** One episode for so many orders. */
  readonly perOrders: number;
  /** Episodes in a run of any size; a very small run has fewer. */
  readonly least: number;
  /** In which part of a run they come, from 0 to 1. Left out: anywhere. */
  readonly between?: readonly [number, number];
  /** Only in a run with so many instances of order-service. */
  readonly instances?: number;
  /** Runs once, before the first order. Returns what each episode does, the first with index 0. */
  readonly prepare: (world: World, random: Random) => (index: number) => void;
  /** Only for planted bugs that need checkpoints; see SimDatabase. */
  readonly checkpoints?: true;
}

/** A planned episode: it begins when order number `at` is placed. */
export interface PlannedEpisode {
  readonly at: number;
  readonly begin: () => void;
}

const hourMs = 3_600_000;

const crashPoints = [...failpoints, 'between steps'] as const;
const clockFaults = ['forwards', 'backwards', 'stopped'] as const;

// biome-ignore format: a table is read by its columns
const episodes: readonly Episode[] = [
  { kind: 'crash',               perOrders: 60,    least: serviceNames.length * crashPoints.length, prepare: crash },
  { kind: 'crash-loop',          perOrders: 1_000, least: 2, prepare: crashLoop },
  { kind: 'power-loss',          perOrders: 2_000, least: 1, prepare: powerLoss },
  { kind: 'power-loss',          perOrders: 40,    least: 1, prepare: checkpoint, checkpoints: true },
  { kind: 'connection-cut',      perOrders: 150,   least: 8, prepare: connectionCut },
  { kind: 'broker-restart',      perOrders: 2_000, least: 1, prepare: brokerRestart },
  { kind: 'blocked',             perOrders: 2_000, least: 1, prepare: blocked },
  { kind: 'away',                perOrders: 4_000, least: 1, prepare: away },
  { kind: 'put-back',            perOrders: 350,   least: 2 * serviceNames.length, prepare: putBack },
  { kind: 'database-full',       perOrders: 1_500, least: 2, prepare: disk('database-full', (db, on) => db.full(on)) },
  { kind: 'database-read-only',  perOrders: 1_500, least: 2, prepare: disk('database-read-only', (db, on) => db.readOnly(on)) },
  { kind: 'database-busy',       perOrders: 1_500, least: 2, prepare: disk('database-busy', (db, on) => db.lock(on)) },
  { kind: 'clock-jump',          perOrders: 700,   least: 5, prepare: clockJump },
  { kind: 'unroutable',          perOrders: 500,   least: 6, prepare: unroutable },
  { kind: 'binding-removed',     perOrders: 1_000, least: 2, prepare: bindingRemoved },
  { kind: 'queue-purged',        perOrders: 1_500, least: 2, prepare: queuePurged },
  { kind: 'queue-deleted',       perOrders: 2_000, least: 1, prepare: queueDeleted },
  { kind: 'broker-wiped',        perOrders: 4_000, least: 1, prepare: brokerWiped },
  { kind: 'poison',              perOrders: 150,   least: poisonKinds.length, prepare: poison },
  { kind: 'broken-reaction',     perOrders: 400,   least: 4, prepare: brokenReaction },
  { kind: 'instance-joins',      perOrders: 1e9,   least: 1, prepare: instanceJoins, between: [0.1, 0.3], instances: 2 },
  { kind: 'instance-lost',       perOrders: 1e9,   least: 1, prepare: instanceLost, between: [0.4, 0.55], instances: 2 },
  { kind: 'instance-adopted',    perOrders: 1e9,   least: 1, prepare: instanceAdopted, between: [0.65, 0.8], instances: 2 },
  { kind: 'redrive',             perOrders: 1_000, least: 2, prepare: redrive },
];

/** Plans every episode of a run, soonest last. */
export function planEpisodes(
  world: World,
  { orders, checkpoints }: { readonly orders: number; readonly checkpoints: boolean },
): PlannedEpisode[] {
  const { faults, schedule } = world;
  const random = world.random.stream('episodes');
  const planned: PlannedEpisode[] = [];
  for (const episode of episodes) {
    const { kind, perOrders, least, prepare, between: [from, until] = [0, 0.95] } = episode;
    if (episode.checkpoints && !checkpoints) continue;
    if (world.instances.all.length < (episode.instances ?? 0)) continue;
    const run = prepare(world, random);
    if (!faults.on(kind)) continue;
    const times = Math.max(Math.min(least, Math.ceil(orders / 8)), Math.round(orders / perOrders));
    for (let index = 0; index < times; index++) {
      planned.push({
        at: Math.floor(orders * from) + random.below(Math.max(1, Math.floor(orders * (until - from)))),
        begin: () => schedule.after(random.below(20), () => faults.active && run(index)),
      });
    }
  }
  return planned.sort((a, b) => b.at - a.at);
}

function any(world: World, random: Random): SimService {
  return random.pick(world.allServices);
}

/** The last one joins. The others get to know its address, and start again with it, one after the other. */
function instanceJoins(world: World, random: Random) {
  return () => {
    const [late] = world.instances.waiting;
    if (!late) return;
    world.faults.add('instance-joins');
    world.instances.join(late);
    startAnew(world, random, late.member);
  };
}

/** Settings have changed: every other process starts again. */
function startAnew({ allServices, schedule, faults }: World, random: Random, except: string): void {
  for (const service of allServices) {
    if (service.member === except) continue;
    schedule.after(random.below(5_000), () => faults.active && service.crash('new settings'));
  }
}

function instanceLost(world: World, random: Random) {
  return () =>
    world.whenAllReady.run((standing) => {
      const service = random.pick(standing);
      world.faults.add('instance-lost');
      service.crash('lost its database');
      world.losses.instanceLost(service, world.schedule.nowMs);
      service.database.renew();
      return true;
    });
}

/** As long as orders come, one that leaves an open order behind. A person takes a minute or two to be sure that it is gone. */
function instanceAdopted(world: World, random: Random) {
  const { losses, schedule, faults, workload } = world;
  return () =>
    world.whenAllReady.run((standing) => {
      const withOpenOrders = standing.filter((one) => leavesOpenOrder(one, standing));
      if (withOpenOrders.length === 0 && !workload.done) return false;
      const gone = random.pick(withOpenOrders.length > 0 ? withOpenOrders : standing);
      faults.add('instance-adopted');
      gone.leave();
      world.instances.awaited.add(gone);
      losses.instanceLost(gone, schedule.nowMs);
      schedule.after(random.between(1_000, 120_000), () => world.adopt(gone, random));
      return true;
    });
}

/** It is open for the instance itself as well: otherwise its end may be on its way. */
function leavesOpenOrder(one: OrderService, standing: readonly OrderService[]): boolean {
  const open = new Set(openOrdersOf(one, one));
  return (
    open.size > 0 && standing.some((other) => other !== one && openOrdersOf(one, other).some((id) => open.has(id)))
  );
}

/** Every service at every failpoint in turn, and between two steps; of several instances any one. */
function crash(world: World, random: Random) {
  const crashes = random.shuffle(serviceNames.flatMap((name) => crashPoints.map((point) => ({ name, point }))));
  return (index: number) => {
    const { name, point } = crashes[index % crashes.length] as (typeof crashes)[number];
    const members = world.allServices.filter((one) => one.name === name);
    const service = (members.length > 1 ? random.pick(members) : members[0]) as SimService;
    if (point === 'between steps') service.whenUp(() => service.crash(point));
    else service.arm(point, random.pick([0, 0, 1, random.below(20)]));
  };
}

function crashLoop(world: World, random: Random) {
  return () => world.restarts.crashLoop(any(world, random), 30);
}

function powerLoss({ faults, broker, allServices, schedule }: World, random: Random) {
  return () => {
    faults.add('power-loss');
    broker.stop();
    for (const service of allServices) {
      service.crash('power loss');
      service.database.losePower();
    }
    schedule.after(random.between(100, 5_000), () => broker.start());
  };
}

function checkpoint(world: World, random: Random) {
  return () => any(world, random).database.checkpoint();
}

function connectionCut(world: World, random: Random) {
  return () => {
    const which = random.pick(['publisher', 'consumer', 'both', 'at publish', 'at publish'] as const);
    const service = any(world, random);
    const cut = which === 'at publish' ? service.cutAtPublish() : service.cut(which);
    if (cut) world.faults.add('connection-cut');
  };
}

function brokerRestart({ faults, broker, schedule }: World, random: Random) {
  return () => {
    faults.add('broker-restart');
    broker.stop();
    schedule.after(random.between(100, 10_000), () => broker.start());
  };
}

function blocked({ faults, broker, schedule }: World, random: Random) {
  return () => {
    faults.add('blocked');
    broker.block(true);
    schedule.after(random.between(100, 20_000), () => broker.block(false));
  };
}

function away(world: World, random: Random) {
  return () => {
    const service = any(world, random);
    world.faults.add('away');
    world.restarts.keepDown(service, random.between(hourMs, 3 * hourMs));
    service.crash('away');
  };
}

/**
 * Every service in turn, from a snapshot that is some hundred orders old. Of the older ones, others have compared journals
 * beyond the snapshot.
 */
function putBack({ allServices, putBacks, schedule, faults }: World, random: Random) {
  return (index: number) => {
    // A named instance gets back what it has lost only with all of its database.
    const services = allServices.filter(({ name, member }) => name === member);
    const service = services[index % services.length] as SimService;
    const snapshot = putBacks.snapshot(service);
    const compared = random.chance(0.5);
    const ageMs = compared
      ? random.between(8_000, 20_000)
      : random.pick([random.between(50, 500), random.between(500, 10_000)]);
    // Once to see the end of a journal, and once when what was there has had the time to arrive.
    for (const atMs of compared ? [1_000, 7_000] : []) {
      schedule.after(atMs, () => {
        for (const { node } of allServices) node?.reconciliation.request();
      });
    }
    schedule.after(ageMs, () => {
      if (!faults.active) return;
      faults.add('put-back');
      service.crash('put back');
      putBacks.putBack(snapshot, schedule.nowMs);
    });
  };
}

function disk(kind: FaultKind, set: (database: SimDatabase, on: boolean) => void): Episode['prepare'] {
  return (world, random) => () => {
    const { database } = any(world, random);
    world.faults.add(kind);
    set(database, true);
    const durationMs = random.pick([random.below(200), random.between(1_000, 15_000)]);
    world.schedule.after(durationMs, () => set(database, false));
  };
}

function clockJump(world: World, random: Random) {
  return (index: number) => {
    const { wall } = any(world, random);
    const how = clockFaults[index % clockFaults.length] ?? 'stopped';
    world.faults.add(`clock-jump ${how}`);
    if (how === 'stopped') wall.stop();
    else wall.jump((how === 'forwards' ? 1 : -1) * random.pick([1_000, 60_000, hourMs]));
    world.schedule.after(random.between(100, 60_000), () => wall.set());
  };
}

/** Now and then its publisher crashes meanwhile: what the broker has not taken must be published by the next process. */
function unroutable({ broker, schedule, faults, allServices }: World, random: Random) {
  return () => {
    const route = random.pick(broker.routes);
    broker.unbind(route);
    const durationMs = random.between(1_000, 15_000);
    schedule.after(durationMs, () => broker.bind(route));
    const publisher = allServices.find(({ name }) => route.startsWith(`${exchangeOf(name)}/`));
    if (!publisher || !faults.on('crash') || random.chance(0.5)) return;
    schedule.after(random.between(1_000, durationMs), () => faults.active && publisher.crash('between steps'));
  };
}

/** The services declare their topology again and again: what is missing is back within seconds. */
function declaredAgainMs(random: Random): number {
  return random.between(200, 6_000);
}

function bindingRemoved({ broker, allServices, schedule, faults }: World, random: Random) {
  return () => {
    const queue = broker.queue(queueOf(random.pick(allServices).member));
    const routes = broker.routesTo(queue);
    if (routes.length === 0) return;
    const route = random.pick(routes);
    faults.add('binding-removed');
    broker.unbindQueue(queue, route);
    schedule.after(declaredAgainMs(random), () => broker.bind(route));
  };
}

function queuePurged({ broker, allServices, faults }: World, random: Random) {
  return () => {
    faults.add('queue-purged');
    broker.queue(queueOf(random.pick(allServices).member)).purge();
  };
}

function queueDeleted(world: World, random: Random) {
  const { broker, schedule, faults } = world;
  return () => {
    const service = any(world, random);
    const queue = broker.queue(queueOf(service.member));
    faults.add('queue-deleted');
    const routes = broker.routesTo(queue);
    queue.delete();
    broker.unbindQueue(queue);
    service.cut('consumer');
    schedule.after(declaredAgainMs(random), () => {
      for (const route of routes) broker.bind(route);
    });
  };
}

function brokerWiped({ faults, broker, schedule, allServices }: World, random: Random) {
  return () => {
    faults.add('broker-wiped');
    for (const { member } of allServices) broker.queue(queueOf(member)).delete();
    broker.stop();
    schedule.after(random.between(100, 10_000), () => broker.start());
  };
}

function poison(world: World, random: Random) {
  return (index: number) => {
    const { name, member } = any(world, random);
    const kind = poisonKinds[index % poisonKinds.length] ?? 'empty';
    const messageId = `poison-${world.poison.size + 1}`;
    world.faults.add(`poison ${kind}`);
    const bytes = poisonOf(kind, random);
    world.poison.set(messageId, kind);
    world.poisonBodies.set(messageId, bytes.body);
    world.broker.inject(queueOf(member), {
      exchange: exchangeOf(name),
      routingKey: 'order.placed',
      messageId,
      mandatory: true,
      ...bytes,
    });
  };
}

function brokenReaction({ allServices, brokenReactions }: World, random: Random) {
  const reactions = random.shuffle(
    allServices.flatMap(({ name }) => consumedBy(choreography, name).map((type) => `${name}/${type}`)),
  );
  return (index: number) => brokenReactions.breakNext(reactions[index % reactions.length] ?? '');
}

function redrive({ deadLetters }: World, random: Random) {
  return () => void deadLetters.redrive(random.chance(0.3) ? 2 : 1);
}
