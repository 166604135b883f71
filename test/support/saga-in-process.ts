// All services in this process, several instances of order-service among them, over real HTTP and a broker that delivers what
// a test lets through. Timers run twenty times as fast; the wall clock is the real one.
import { freePorts } from '../../local/broker/free-ports.ts';
import { type AnyEvent, choreography, type EventType } from '../../shared/contract/choreography.ts';
import { type InstanceNames, instanceOf, memberOf, serviceOf } from '../../shared/contract/members.ts';
import { wholeTopology } from '../../shared/contract/topology.ts';
import { type Clock, systemClock } from '../../shared/runtime/environment/clock.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Tracing } from '../../shared/runtime/messaging/tracing.ts';
import { urlSettingOf } from '../../shared/runtime/process/settings.ts';
import { newDatabasePath } from './files.ts';
import { type Served, serveInventory, serveOrders, servePayments } from './serve.ts';
import { eventually } from './wait.ts';

const speed = 20;
const fastClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs / speed, run) };

const participants = ['payment-service', 'inventory-service'] as const;

/** A message on its way to a queue. */
export interface Waiting {
  readonly queue: string;
  readonly event: AnyEvent;
}

export class SagaInProcess {
  readonly served = new Map<string, Served>();
  /** Messages that a test holds back: those for which this says so. */
  holds: (message: Waiting) => boolean = () => false;
  /** Traces the members that are started from then on. */
  tracing: ((member: string) => Tracing) | undefined;
  /** What has been held back, by queue, in the order of publishing. */
  readonly held = new Map<string, AnyEvent[]>();
  #names: InstanceNames;
  readonly #ports = new Map<string, number>();
  readonly #paths = new Map<string, string>();

  private constructor(instances: readonly string[], ports: readonly number[]) {
    this.#names = { 'order-service': instances };
    for (const [index, member] of this.members.entries()) {
      this.#ports.set(member, ports[index] ?? 0);
      this.#paths.set(member, newDatabasePath());
    }
  }

  /** @param instances names of all instances that there will be; none of them runs yet */
  static async prepare(instances: readonly string[]): Promise<SagaInProcess> {
    return new SagaInProcess(instances, await freePorts(instances.length + participants.length));
  }

  /** From now on there is another instance, too: those that are started know it, and its queue is declared. */
  async add(instance: string): Promise<Served> {
    const [port = 0] = await freePorts(1);
    const member = memberOf('order-service', instance);
    this.#names = { 'order-service': [...(this.#names['order-service'] ?? []), instance] };
    this.#ports.set(member, port);
    this.#paths.set(member, newDatabasePath());
    return this.boot(member);
  }

  static async start(instances: readonly string[]): Promise<SagaInProcess> {
    const saga = await SagaInProcess.prepare(instances);
    await Promise.all(saga.members.map((member) => saga.boot(member)));
    await saga.ready(...instances);
    return saga;
  }

  get members(): string[] {
    const instances = this.#names['order-service'] ?? [];
    return [...instances.map((name) => memberOf('order-service', name)), ...participants];
  }

  /** Starts a member, on the database that it had before, if any. */
  async boot(member: string): Promise<Served> {
    const serve = { 'payment-service': servePayments, 'inventory-service': serveInventory }[member] ?? serveOrders;
    const instance = instanceOf(member);
    const served = await serve({
      path: this.#paths.get(member) ?? '',
      port: this.#ports.get(member) ?? 0,
      clock: fastClock,
      tracing: this.tracing?.(member),
      settings: { ...this.#urls(), ...(instance === undefined ? {} : { INSTANCE: instance }) },
    });
    served.bus.onPublish = (message) => this.#route(message);
    this.served.set(member, served);
    const held = this.held.get(member) ?? [];
    this.held.delete(member);
    for (const event of held) served.bus.deliverEvent(event);
    return served;
  }

  /** Ends a member; what is published meanwhile waits in its queue. */
  async down(member: string): Promise<void> {
    const served = this.served.get(member);
    this.served.delete(member);
    await served?.close();
  }

  /** Its next start is one with an empty database. */
  deleteDatabase(member: string): void {
    this.#paths.set(member, newDatabasePath());
  }

  order(instance: string): Served {
    return this.at(memberOf('order-service', instance));
  }

  at(member: string): Served {
    const served = this.served.get(member);
    if (!served) throw new Error(`${member} is not running`);
    return served;
  }

  url(member: string): string {
    return `http://127.0.0.1:${this.#ports.get(member)}`;
  }

  async ready(...instances: readonly string[]): Promise<void> {
    for (const instance of instances) {
      await eventually(
        `instance ${instance} to be ready`,
        () => this.order(instance).get('/readyz'),
        ({ status }) => status === 200,
      );
    }
  }

  /** Delivers what was held back for a queue, in this order. */
  release(queue: string, arrange: (events: AnyEvent[]) => AnyEvent[] = (events) => events): void {
    const events = this.held.get(queue) ?? [];
    this.held.delete(queue);
    for (const event of arrange(events)) this.at(queue).bus.deliverEvent(event);
  }

  /** What an instance answers to every read, as one text. */
  async everything(instance: string, userIds: readonly string[]): Promise<string> {
    const orders = this.order(instance);
    const texts: string[] = [];
    const read = async (path: string): Promise<unknown> => {
      const { status, text, body } = await orders.get(path);
      texts.push(`${path} ${status} ${text}`);
      return body;
    };
    for (const path of ['/totals', '/products?limit=1000']) await read(path);
    for (const userId of userIds) {
      for (let before: string | undefined = ''; before !== undefined; ) {
        const page = (await read(`/${userId}/orders?limit=3${before && `&before=${before}`}`)) as {
          orders: { orderId: string }[];
          next?: string;
        };
        for (const { orderId } of page.orders) {
          await read(`/orders/${orderId}`);
          await read(`/orders/${orderId}/timeline`);
        }
        before = page.next;
      }
    }
    return texts.join('\n');
  }

  #urls(): Record<string, string> {
    const orders = this.members.filter((member) => serviceOf(member) === 'order-service');
    return {
      [urlSettingOf('order-service')]: orders.map((member) => `${instanceOf(member)}=${this.url(member)}`).join(','),
      ...Object.fromEntries(participants.map((service) => [urlSettingOf(service), this.url(service)])),
    };
  }

  #route({ exchange, routingKey, body }: OutgoingMessage): void {
    if (!Object.hasOwn(choreography.events, routingKey)) return;
    const event = JSON.parse(body.toString()) as AnyEvent;
    const { bindings } = wholeTopology(choreography, this.#names);
    for (const binding of bindings) {
      if (binding.exchange !== exchange || binding.routingKey !== routingKey) continue;
      const { queue } = binding;
      const served = this.served.get(queue);
      if (served && !this.holds({ queue, event })) setImmediate(() => served.bus.deliverEvent(event));
      else this.held.set(queue, [...(this.held.get(queue) ?? []), event]);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.served.keys()].map((member) => this.down(member)));
  }
}

/** Whether a message is of this type. */
export function isOf(...types: readonly EventType[]): (message: Waiting) => boolean {
  return ({ event }) => types.includes(event.type);
}
