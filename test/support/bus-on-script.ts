// The real bus of payment-service on a scripted broker, with a clock that the test turns: what is published gets its
// outcome noted, what is delivered waits to be acked.
import { choreography } from '../../shared/contract/choreography.ts';
import { topologyFor } from '../../shared/contract/topology.ts';
import type { Log } from '../../shared/runtime/environment/log.ts';
import type { Delivery, OutgoingMessage, PublishOutcome } from '../../shared/runtime/messaging/bus.ts';
import { AmqpBus } from '../../shared/runtime/rabbitmq/amqp-bus.ts';
import { readDelayMs } from '../../shared/runtime/rabbitmq/amqp-connection.ts';
import { HandClock } from './hand-clock.ts';
import { type PeerConnection, ScriptedBroker } from './scripted-broker.ts';
import { eventually } from './wait.ts';

export const service = 'payment-service';

export interface BusOptions {
  readonly prefetch?: number;
  /** Addresses in place of that of the scripted broker. */
  readonly url?: string;
}

/** A line of the log. */
interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

export class BusOnScript {
  readonly broker: ScriptedBroker;
  readonly bus: AmqpBus;
  readonly clock = new HandClock();
  readonly deliveries: Delivery[] = [];
  readonly lines: Line[] = [];
  /** Why the queue belongs to somebody else, once that is certain. */
  readonly refusals: string[] = [];
  /** What canPublish() was at each change that was announced. */
  readonly changes: boolean[] = [];
  /** How often deliveries have begun. */
  began = 0;
  readonly #outcomes = new Map<string, PublishOutcome[]>();
  #messages = 0;

  private constructor(broker: ScriptedBroker, { prefetch = 100, url }: BusOptions) {
    this.broker = broker;
    const note =
      (level: Line['level']) =>
      (fields: object, message: string): void =>
        void this.lines.push({ level, fields, message });
    const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    this.bus = new AmqpBus({
      url: url ?? broker.url,
      service,
      topology: topologyFor(service, choreography),
      prefetch,
      log,
      clock: this.clock,
      databaseId: 'one',
      refused: (why) => void this.refusals.push(why),
    });
  }

  /** Begins to connect. */
  static async begin(options: BusOptions = {}): Promise<BusOnScript> {
    const made = new BusOnScript(await ScriptedBroker.start(), options);
    made.start();
    return made;
  }

  /** Resolves when both connections are set up. */
  static async connected(options: BusOptions = {}): Promise<BusOnScript> {
    const made = await BusOnScript.begin(options);
    await made.connected();
    return made;
  }

  start(): void {
    this.bus.start({
      delivered: (delivery) => void this.deliveries.push(delivery),
      publishingChanged: () => void this.changes.push(this.bus.canPublish()),
      consumingBegan: () => {
        this.began += 1;
      },
    });
  }

  connected(): Promise<unknown> {
    return eventually(
      'both connections to be set up',
      () => this.bus.status(),
      ({ publisher, consumer }) => publisher !== 'connecting' && consumer === 'connected',
    );
  }

  /** Lets time pass until something is so; for what a timer leads to over a socket. */
  async advanceUntil(what: string, holds: () => boolean, stepMs = 1_000, stepsMax = 100): Promise<void> {
    for (let step = 0; !holds(); step += 1) {
      if (step === stepsMax) throw new Error(`${stepsMax} × ${stepMs} ms have passed without: ${what}`);
      this.clock.advance(stepMs);
      await this.quiet();
    }
  }

  /** Resolves when nothing is on its way between both sides any more: both are in this process, over loopback. */
  async quiet(): Promise<void> {
    for (let still = 0, seen = this.broker.activity; still < 3; still += 1) {
      await new Promise<void>((resolve) => setTimeout(resolve, 4));
      if (this.broker.activity !== seen) still = 0;
      seen = this.broker.activity;
    }
  }

  publisher(): PeerConnection {
    return this.#open('publisher');
  }

  consumer(): PeerConnection {
    return this.#open('consumer');
  }

  #open(kind: string): PeerConnection {
    const found = this.broker.connections.find((connection) => connection.is(kind) && connection.open);
    if (!found) throw new Error(`the ${kind} is not connected`);
    return found;
  }

  /** Publishes a message; its outcomes are to be had under the id that this returns. */
  publish(changes: Partial<OutgoingMessage> = {}): string {
    this.#messages += 1;
    const messageId = `m-${this.#messages}`;
    const outcomes: PublishOutcome[] = [];
    this.#outcomes.set(messageId, outcomes);
    this.bus.publish(
      {
        exchange: 'payment.events',
        routingKey: 'payment.completed',
        body: Buffer.from(`body of ${messageId}`),
        messageId,
        contentType: 'application/cloudevents+json',
        mandatory: true,
        correlationId: 'an-order',
        ...changes,
      },
      (outcome) => outcomes.push(outcome),
    );
    return messageId;
  }

  /** What became of each message: usually one outcome. */
  outcomes(...ids: readonly string[]): string[] {
    return ids.map((id) => (this.#outcomes.get(id) ?? []).join(' then '));
  }

  /** Resolves when each of them has an outcome. The clock goes on by the time after which confirms are read. */
  async answered(...ids: readonly string[]): Promise<string[]> {
    this.clock.advance(readDelayMs);
    return eventually(
      `an outcome for ${ids.join(', ')}`,
      () => this.outcomes(...ids),
      (outcomes) => outcomes.every((outcome) => outcome !== ''),
    );
  }

  /** Resolves with the messages that were delivered, once there are so many. */
  async delivered(count: number): Promise<readonly Delivery[]> {
    return eventually(
      `${count} deliveries`,
      () => this.deliveries,
      ({ length }) => length >= count,
    );
  }

  async end(): Promise<void> {
    await this.bus.stop();
    await this.broker.stop();
  }
}
