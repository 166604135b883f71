// RabbitMQ as far as the services can see it: exchanges, bindings, durable queues, redelivery of what is unacked,
// confirms, unroutable messages, delivery limits and dead letters. Most faults happen in its network.

import { choreography } from '../../shared/contract/choreography.ts';
import { type Topology, wholeTopology } from '../../shared/contract/topology.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';
import { isSagaEvent } from './saga-event.ts';
import type { Owner, Schedule } from './schedule.ts';
import { SimBus } from './sim-bus.ts';
import { type ConsumerLink, type Copy, type Link, SimQueue } from './sim-queue.ts';

/** What the simulation may do to single messages, beside the faults of the network. */
export interface Interference {
  /** Moment, in virtual milliseconds, before which a copy must not be delivered. */
  holdUntilMs?(queue: SimQueue, copy: Copy): number | undefined;
  /** The broker has taken a message from a service. */
  taken?(message: OutgoingMessage, routed: boolean): void;
  /** The owner of a queue can publish from now on, or cannot. */
  canPublish?(owner: string, can: boolean): void;
  /** The broker has refused a message from the owner of a queue. */
  refused?(owner: string, message: OutgoingMessage): void;
}

const prefetches = [1, 20, 100, 300] as const;

export class SimBroker {
  readonly queues = new Map<string, SimQueue>();
  readonly schedule: Schedule;
  readonly random: Random;
  readonly faults: Faults;
  interference: Interference = {};
  up = true;
  blocked = false;
  readonly #routes = new Map<string, Set<SimQueue>>();
  readonly #removed = new Map<string, Set<SimQueue>>();
  readonly #buses = new Set<SimBus>();
  /** Duplicates that are still to come. */
  readonly #duplicates = new Set<() => void>();

  constructor(schedule: Schedule, random: Random, faults: Faults, topology: Topology = wholeTopology(choreography)) {
    this.schedule = schedule;
    this.random = random;
    this.faults = faults;
    for (const { name, arguments: args } of topology.queues) this.queues.set(name, new SimQueue(name, args));
    for (const { queue, exchange, routingKey } of topology.bindings) {
      const route = `${exchange}/${routingKey}`;
      let targets = this.#routes.get(route);
      if (!targets) {
        targets = new Set();
        this.#routes.set(route, targets);
      }
      targets.add(this.queue(queue));
    }
  }

  queue(name: string): SimQueue {
    const queue = this.queues.get(name);
    if (!queue) throw new Error(`no queue ${name}`);
    return queue;
  }

  get routes(): string[] {
    return [...this.#routes.keys()];
  }

  /** Removes every binding of a route (`exchange/routing key`), until `bind`. */
  unbind(route: string): void {
    const targets = this.#routes.get(route);
    if (!targets) return;
    this.#routes.delete(route);
    this.#removed.set(route, new Set([...(this.#removed.get(route) ?? []), ...targets]));
  }

  bind(route: string): void {
    const targets = this.#removed.get(route);
    if (!targets) return;
    this.#removed.delete(route);
    this.#routes.set(route, new Set([...(this.#routes.get(route) ?? []), ...targets]));
  }

  bindAll(): void {
    for (const route of [...this.#removed.keys()]) this.bind(route);
  }

  /** A bus for one process. */
  connect(queueName: string, process: Owner): SimBus {
    const bus = new SimBus(this, this.queue(queueName), process);
    this.#buses.add(bus);
    return bus;
  }

  /** The process of this bus has ended, and its connections with it. */
  disconnect(bus: SimBus): void {
    this.#buses.delete(bus);
    bus.cut('both');
  }

  /** Stops, with every connection. Queues are durable. */
  stop(): void {
    this.up = false;
    for (const bus of this.#buses) bus.cut('both');
  }

  start(): void {
    this.up = true;
  }

  block(blocked: boolean): void {
    this.blocked = blocked;
    for (const bus of this.#buses) bus.blockedChanged();
  }

  /**
   * Every duplicate comes now. One that came after all is quiet could be the first that a service gets of an event: its database
   * was put back, and so was that of the publisher.
   */
  deliverDuplicates(): void {
    for (const again of this.#duplicates) again();
  }

  /** From now on every consumer takes many messages at a time. */
  widenPrefetch(): void {
    for (const queue of this.queues.values()) {
      if (!queue.consumer) continue;
      queue.consumer.prefetch = Math.max(...prefetches);
      this.pump(queue);
    }
  }

  /** Of a new consumer. */
  prefetch(): number {
    return this.random.pick(prefetches.slice(this.faults.active ? 0 : -1));
  }

  latencyMs(): number {
    return this.random.between(1, 3);
  }

  /** False: no queue for it. */
  route(message: OutgoingMessage): boolean {
    const targets = this.#targetsOf(message);
    if (!targets) return false;
    for (const queue of targets) this.#enqueue(queue, message, message.headers ?? {});
    return true;
  }

  /** The default exchange, whose name is empty, leads to every queue by the queue's name. */
  #targetsOf({ exchange, routingKey }: OutgoingMessage): Iterable<SimQueue> | undefined {
    if (exchange !== '') return this.#routes.get(`${exchange}/${routingKey}`);
    const queue = this.queues.get(routingKey);
    return queue && [queue];
  }

  /** Puts a copy straight into a queue. */
  inject(queueName: string, message: OutgoingMessage): void {
    const queue = this.queue(queueName);
    queue.put({ message, headers: message.headers ?? {}, redeliveries: 0 });
    this.pump(queue);
  }

  /** Removes the bindings of one queue, of one route or of all, until `bind`. Others with the same route keep theirs. */
  unbindQueue(queue: SimQueue, only?: string): void {
    for (const [route, targets] of this.#routes) {
      if ((only !== undefined && route !== only) || !targets.delete(queue)) continue;
      const removed = this.#removed.get(route) ?? new Set();
      this.#removed.set(route, removed.add(queue));
      if (targets.size === 0) this.#routes.delete(route);
    }
  }

  /** Routes that lead to this queue. */
  routesTo(queue: SimQueue): string[] {
    return [...this.#routes].filter(([, targets]) => targets.has(queue)).map(([route]) => route);
  }

  #enqueue(queue: SimQueue, message: OutgoingMessage, headers: Readonly<Record<string, unknown>>): void {
    if (this.faults.on('message-lost') && queue.deadLetterTo !== undefined && this.random.chance(0.001)) {
      this.faults.add('message-lost');
      return queue.lose({ message, headers, redeliveries: 0 });
    }
    queue.put({ message, headers, redeliveries: 0 });
    if (this.faults.on('duplicate') && queue.consumer && this.random.chance(0.02)) {
      this.faults.add('duplicate');
      const withinMs = this.random.pick([20, 20, 20, 20, 20_000, 20 * 60_000]);
      const again = (): void => {
        this.#duplicates.delete(again);
        timer.cancel();
        this.inject(queue.name, message);
      };
      const timer = this.schedule.after(this.random.below(withinMs), again);
      this.#duplicates.add(again);
    }
    this.pump(queue);
  }

  /** Delivers as much as the prefetch of the queue's consumer allows. */
  pump(queue: SimQueue): void {
    const link = queue.consumer;
    if (!link?.alive) return;
    while (link.unacked.size < link.prefetch) {
      const copy = queue.take((depth) => {
        if (depth < 2 || !this.faults.on('reorder') || !this.random.chance(0.1)) return 0;
        this.faults.add('reorder');
        return this.random.below(Math.min(depth, 20));
      });
      if (!copy) return;
      link.unacked.add(copy);
      this.#deliver(queue, link, copy);
    }
  }

  #deliver(queue: SimQueue, link: Link, copy: Copy): void {
    const bus = link as ConsumerLink;
    const holdUntilMs = this.interference.holdUntilMs?.(queue, copy);
    if (holdUntilMs !== undefined) {
      this.schedule.after(holdUntilMs - this.schedule.nowMs, () => bus.deliver(copy), link);
    } else if (this.faults.on('delay') && this.random.chance(isSagaEvent(copy.message.routingKey) ? 0.015 : 0.2)) {
      this.faults.add('delay');
      const delayMs = this.random.chance(0.8) ? this.random.between(5, 100) : this.random.between(100, 20_000);
      this.schedule.after(delayMs, () => bus.deliver(copy), link);
    } else {
      link.inbound.push(copy);
      this.schedule.after(this.latencyMs(), () => bus.deliverNext(), link);
    }
  }

  /** Unacked copies of a connection that has ended. */
  giveBack(queue: SimQueue, copies: Iterable<Copy>): void {
    const exhausted = queue.giveBack(copies);
    for (const copy of exhausted) {
      this.faults.add('delivery limit reached');
      this.deadLetter(queue, copy, 'delivery_limit');
    }
  }

  /** Moves a copy to the dead-letter queue, as the broker itself does. */
  deadLetter(queue: SimQueue, copy: Copy, reason: string): void {
    queue.deadLettered.push(copy);
    if (queue.deadLetterTo === undefined) return;
    this.queue(queue.deadLetterTo).put({
      message: copy.message,
      headers: { ...copy.headers, 'x-first-death-reason': reason, 'x-first-death-queue': queue.name },
      redeliveries: 0,
    });
  }
}
