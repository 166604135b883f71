// One service of any contract: its real node over a database in memory, a hand-turned clock, and a broker that confirms
// everything. Events are delivered one at a time; each comes back as what followed from it.
import { type CloudEvent, cloudEventContentType, createEvent, encodeEvent } from '../../shared/contract/cloud-event.ts';
import type { Choreography, DataIn, TypeIn } from '../../shared/contract/language.ts';
import { deadLetterExchange, exchangeOf } from '../../shared/contract/topology.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { Bus, BusListener, OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { ServiceDefinition, ServiceParts } from '../../shared/runtime/node/service.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { HandClock } from './hand-clock.ts';

/** Longer than all the retries of a reaction that throws. */
const retriesMs = 60_000;

/** What followed from a delivery: a published event, a silent outcome, `duplicate`, or the reason of a dead letter. */
export type Consequence = { readonly type: string; readonly data: unknown } | string;

export class ContractNode<C extends Choreography, P extends ServiceParts> {
  readonly parts: P;
  readonly #node: ServiceNode<P>;
  readonly #contract: C;
  readonly #clock = new HandClock();
  readonly #published: OutgoingMessage[] = [];
  #listener: BusListener | undefined;

  constructor(definition: ServiceDefinition<P> & { readonly contract: C }) {
    this.#contract = definition.contract;
    const bus: Bus = {
      start: (listener) => {
        this.#listener = listener;
      },
      canPublish: () => true,
      publish: (message, done) => {
        this.#published.push(message);
        this.#clock.soon(() => done('confirmed'));
      },
      backlog: (done) => done(0),
      status: () => ({ publisher: 'connected', consumer: 'connected' }),
      stopConsuming: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    const db = openDatabase(':memory:', definition.migrations);
    this.#node = new ServiceNode(definition, { db, bus, clock: this.#clock, log: silentLog });
    this.parts = this.#node.parts;
    this.#node.start();
    this.#clock.turn();
  }

  eventOf<T extends TypeIn<C>>(type: T, data: DataIn<C, T>): CloudEvent {
    const nowMs = this.#clock.nowMs();
    return createEvent(
      this.#contract,
      { type, data },
      {
        id: this.#clock.newId(),
        source: this.#contract.events[type]?.by ?? '',
        time: isoTime(nowMs),
        causationId: this.#clock.newId(),
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    );
  }

  /** Delivers a new event, and waits until it has been handled. */
  consume<T extends TypeIn<C>>(type: T, data: DataIn<C, T>): Consequence {
    return this.deliver(this.eventOf(type, data));
  }

  /** @throws Error when the message was not acked exactly once */
  deliver(event: CloudEvent): Consequence {
    const { tally } = this.#node.handler;
    const before = { duplicates: tally.duplicates, outcomes: new Map(tally.outcomes) };
    this.#published.length = 0;
    let acks = 0;
    this.#listener?.delivered({
      body: encodeEvent(event),
      messageId: event.id,
      contentType: cloudEventContentType,
      exchange: exchangeOf(event.source),
      routingKey: event.type,
      headers: {},
      redelivered: false,
      returns: 0,
      ack: () => {
        acks += 1;
      },
      reject: () => {},
    });
    this.#clock.advance(retriesMs);
    if (acks !== 1) throw new Error(`${event.type} was acked ${acks} times`);
    const [message] = this.#published;
    if (message?.exchange === deadLetterExchange) return String(message.headers?.['x-cause']);
    if (message) {
      const { type, data } = JSON.parse(message.body.toString()) as CloudEvent;
      return { type, data };
    }
    if (tally.duplicates > before.duplicates) return 'duplicate';
    const changed = [...tally.outcomes].find(([key, count]) => count !== before.outcomes.get(key));
    return changed?.[0].split(' -> ')[1] ?? 'nothing';
  }
}
