// What a service needs of a message broker, and nothing else. Two things implement it: amqp-bus.ts over RabbitMQ, and
// the simulator's broker. Both must pass the same tests.

export interface OutgoingMessage {
  /** Empty string: the default exchange, where the routing key is a queue's name. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  /** Unique per message: it is how a returned message is recognised. */
  readonly messageId: string;
  readonly contentType: string;
  /** Somebody must get it: without a queue it is `unroutable`. False for events that nobody has to react to. */
  readonly mandatory: boolean;
  readonly correlationId?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * What became of a published message.
 * - `confirmed`: the broker has taken it, durably, in at least one queue if it was mandatory
 * - `unroutable`: it was mandatory, and the broker knows no queue for it
 * - `nacked`: the broker could not take it
 * - `lost`: the connection ended first; it may or may not have been taken
 */
export type PublishOutcome = 'confirmed' | 'unroutable' | 'nacked' | 'lost';

/** A message that the broker has handed over and will hand over again until it is acked. */
export interface Delivery {
  readonly body: Buffer;
  readonly messageId: string | undefined;
  readonly contentType: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly redelivered: boolean;
  /** How often it was delivered before and came back: a crash, a lost connection. */
  readonly returns: number;
  /** Leaves the message to the broker, which moves it to the dead-letter queue as it is. */
  reject(): void;
  /** Does nothing when the connection that brought it is gone: the broker delivers it again. */
  ack(): void;
}

export interface BusListener {
  delivered(delivery: Delivery): void;
  /** Called on every change of `canPublish`. */
  publishingChanged(): void;
  /** Deliveries have begun, for the first time or again: messages may have been lost meanwhile. */
  consumingBegan?(): void;
}

export interface Bus {
  /** Connects, and keeps connecting whatever happens, until stop. Deliveries begin once the topology stands. */
  start(listener: BusListener): void;
  /** False while there is no connection, or while the broker has asked publishers to stop. */
  canPublish(): boolean;
  /** Calls done exactly once. Only to be called while canPublish(). */
  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void;
  /** Calls back with the number of messages that wait in this service's queue; undefined: there is no connection. */
  backlog(done: (messages: number | undefined) => void): void;
  /** For people and health checks. */
  status(): BusStatus;
  /** No further deliveries; what was delivered can still be acked, and publishing goes on. */
  stopConsuming(): Promise<void>;
  /** Flushes acks and closes. */
  stop(): Promise<void>;
}

export interface BusStatus {
  readonly publisher: 'connected' | 'connecting' | 'blocked' | 'stopped';
  readonly consumer: 'connected' | 'connecting' | 'stopped';
  /** Why the last connection ended or could not be made. */
  readonly lastError?: string | undefined;
  /** The broker keeps the connection and confirms nothing. */
  readonly confirmsNothing?: boolean | undefined;
  /** Messages in this service's dead-letter queue, as of a few seconds ago; undefined: not known. */
  readonly deadLetters?: number | undefined;
}

/** A bus that also says what only people and their monitoring want to know. */
export interface MeasuredBus extends Bus {
  /** Calls back with the number of messages in this service's dead-letter queue; undefined: there is no connection. */
  deadLetters(done: (messages: number | undefined) => void): void;
  traffic(): BusTraffic;
}

export interface BusTraffic {
  /** Messages that were published and are neither confirmed nor given up. */
  readonly unconfirmed: number;
  /** How often each connection was made again after it had ended. */
  readonly reconnects: { readonly publisher: number; readonly consumer: number };
}
