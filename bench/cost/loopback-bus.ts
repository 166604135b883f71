// A broker in the same process: it routes by the bindings of the contract, confirms and delivers in the next turn of the
// event loop, and costs next to nothing itself.
import type { Binding } from '../../shared/contract/topology.ts';
import type {
  Bus,
  BusListener,
  BusStatus,
  Delivery,
  OutgoingMessage,
  PublishOutcome,
} from '../../shared/runtime/messaging/bus.ts';

export interface Traffic {
  messages: number;
  /** Of the messages' bodies. */
  bytes: number;
  acks: number;
}

export class LoopbackBroker {
  readonly traffic: Traffic = { messages: 0, bytes: 0, acks: 0 };
  readonly #bindings: readonly Binding[];
  readonly #consumers = new Map<string, BusListener>();
  #turn: (() => void)[] = [];

  constructor(bindings: readonly Binding[]) {
    this.#bindings = bindings;
  }

  /** @param queue the one that its user consumes */
  connect(queue: string): Bus {
    return {
      start: (listener) => void this.#consumers.set(queue, listener),
      canPublish: () => true,
      publish: (message, done) => this.#publish(message, done),
      backlog: (done) => done(0),
      status: (): BusStatus => ({ publisher: 'connected', consumer: 'connected' }),
      stopConsuming: async () => {},
      stop: async () => {},
    };
  }

  #publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    this.traffic.messages += 1;
    this.traffic.bytes += message.body.length;
    for (const { queue, exchange, routingKey } of this.#bindings) {
      if (exchange !== message.exchange || routingKey !== message.routingKey) continue;
      this.#nextTurn(() => this.#consumers.get(queue)?.delivered(this.#deliveryOf(message)));
    }
    this.#nextTurn(() => done('confirmed'));
  }

  #deliveryOf({ body, messageId, contentType, exchange, routingKey }: OutgoingMessage): Delivery {
    return {
      body,
      messageId,
      contentType,
      exchange,
      routingKey,
      headers: {},
      redelivered: false,
      returns: 0,
      ack: () => {
        this.traffic.acks += 1;
      },
      reject: () => {
        throw new Error(`${routingKey} was rejected`);
      },
    };
  }

  #nextTurn(run: () => void): void {
    this.#turn.push(run);
    if (this.#turn.length > 1) return;
    setImmediate(() => {
      for (const next of this.#turn.splice(0)) next();
    });
  }
}
