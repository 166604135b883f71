// One connection to RabbitMQ, kept up: connect, set up, wait until it ends, back off, again, until told to stop.
// amqplib's own recovery is not used: a channel that the server closes, or a loss during setup, can leave it wedged.
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { BrokerAddresses } from '../environment/broker-addresses.ts';
import { backoffMs, type Clock, systemClock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';

const connectTimeoutMs = 10_000;
const setupTimeoutMs = 20_000;
const closeTimeoutMs = 1_000;
const heartbeatS = 10;
const retryMinMs = 100;
const retryMaxMs = 5_000;
/**
 * With several nodes, so much later: a queue whose leader was on a lost node elects another one within half a second. What a new
 * channel publishes to it before that, RabbitMQ sends on only when a timer of ten seconds has run out (3.10.8).
 */
const electionMs = 1_000;
/** Bytes that a socket takes before amqplib holds back: beyond it, messages would go to the socket one by one. */
const socketBufferBytes = 1024 * 1024;
/** How long reading is put off at most. Heartbeats and what the broker says of its memory and disk may be so much late. */
export const readDelayMs = 100;
/** A connection that lasted this long was a good one: the next attempt after it comes at once. */
const steadyMs = 10_000;

interface Options {
  /** One address, or several separated by commas. */
  readonly url: string;
  /** Shown in RabbitMQ's own pages. */
  readonly name: string;
  readonly log: Log;
  /** Left out: the system's. */
  readonly clock?: Clock | undefined;
  /** Opens channels and declares what is needed. Whatever it throws ends this connection. `end` does so later. */
  setUp(connection: ChannelModel, end: (reason: Error) => void): Promise<void>;
  /** Before an orderly end: closes channels. amqplib would drop what they have written and not yet sent, such as acks. */
  closing(): Promise<void>;
  /** The connection that setUp was called with is gone, at whatever stage. */
  lost(): void;
}

export class AmqpConnection {
  readonly #options: Options;
  readonly #addresses: BrokerAddresses;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #connected = false;
  /** How often a connection was made. */
  #made = 0;
  #lastError: string | undefined;
  /** Of the present connection. amqplib's declarations do not mention it. */
  #socket: Socket | undefined;
  #corked = false;
  /** Set while nothing is read. */
  #readTimer: Timer | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#addresses = new BrokerAddresses(options.url);
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** How often it was made again after it had ended. */
  get reconnects(): number {
    return Math.max(0, this.#made - 1);
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /**
   * To be called after something was written: what follows in the same turn of the event loop leaves with it, in one
   * system call. amqplib makes one for every message, and each wakes the broker up.
   */
  cork(): void {
    const socket = this.#socket;
    if (this.#corked || !socket) return;
    this.#corked = true;
    socket.cork();
    // amqplib hands to the socket in the next turn; it arranges for that in a tick that is in the queue already.
    process.nextTick(() =>
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      }),
    );
  }

  /**
   * Reads nothing for a moment, so that answers nobody waits for come in together. RabbitMQ sends each on its own, and each
   * would wake the process up.
   */
  readLater(): void {
    if (this.#readTimer || !this.#connected) return;
    handleOf(this.#socket)?.readStop?.();
    this.#readTimer = this.#clock.after(readDelayMs, () => this.readNow());
  }

  readNow(): void {
    if (!this.#readTimer) return;
    this.#readTimer.cancel();
    this.#readTimer = undefined;
    handleOf(this.#socket)?.readStart?.();
  }

  /** Closes the connection and makes no other. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const startedAtMs = this.#clock.steadyMs();
      const madeBefore = this.#made;
      try {
        await this.#once();
      } catch (error) {
        // A channel that we closed ourselves ends the connection, too.
        if (!signal.aborted) this.#report(error, attempt);
      }
      if (this.#clock.steadyMs() - startedAtMs > steadyMs) attempt = 0;
      this.#addresses.next();
      // Each address is tried once before the delay grows.
      const round = Math.max(1, Math.ceil(attempt / this.#addresses.count));
      // Half of the delay is random, so that many services do not come back in step.
      const delayMs = backoffMs(round, retryMinMs, retryMaxMs) * (0.5 + Math.random() / 2);
      const wasLost = this.#made > madeBefore;
      await this.#pause(delayMs + (wasLost && this.#addresses.count > 1 ? electionMs : 0));
    }
  }

  /** Until then, or until it is to stop. */
  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#clock.after(delayMs, end);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }

  /** Returns when stopped; throws when the connection can't be made or ends. */
  async #once(): Promise<void> {
    const { name, setUp, lost } = this.#options;
    const { signal } = this.#stopping;
    // The options go on to net.connect(), which knows more of them than amqplib declares.
    const socketOptions = {
      noDelay: true,
      timeout: connectTimeoutMs,
      highWaterMark: socketBufferBytes,
      clientProperties: { connection_name: name },
    };
    const connection = await connect(withHeartbeat(this.#addresses.current), socketOptions);
    this.#socket = socketOf(connection);
    let end: (reason?: Error) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      end = (reason) => reject(reason ?? new Error('the broker closed the connection'));
    });
    ended.catch(() => {});
    connection.on('error', (error: Error) => end(error));
    connection.on('close', (error?: Error) => end(error));
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const tooSlow = this.#clock.after(setupTimeoutMs, () =>
      end(new Error(`the broker did not answer the setup within ${setupTimeoutMs} ms`)),
    );
    try {
      await Promise.race([setUp(connection, end), ended]);
      tooSlow.cancel();
      this.#connected = true;
      this.#made += 1;
      this.#lastError = undefined;
      await Promise.race([stopped, ended]);
      this.readNow();
      await Promise.race([this.#options.closing(), ended, sleep(closeTimeoutMs, undefined, { ref: false })]);
    } finally {
      tooSlow.cancel();
      signal.removeEventListener('abort', stop);
      this.#connected = false;
      this.readNow();
      this.#socket = undefined;
      lost();
      await close(connection);
    }
  }

  #report(error: unknown, attempt: number): void {
    const message = error instanceof Error ? error.message : String(error);
    const { log, name } = this.#options;
    const fields = { connection: name, error: message, attempt };
    this.#lastError = message;
    // Only this 406: an unknown delivery tag or an ack that came too late has the same code.
    if (/inequivalent arg/.test(message)) {
      log.error(
        fields,
        'an exchange or queue already exists with different arguments: stop the services, delete it, and start them; ' +
          'what was in it is handled from the journals',
      );
    } else if (/ACCESS[_-]REFUSED/.test(message)) {
      log.error(fields, 'the broker refuses these credentials: check AMQP_URL');
    } else {
      log.warn(fields, 'no connection to the broker: trying again');
    }
  }
}

/** Ends the connection when the server closes the channel: it is made again as a whole, with everything declared. */
export function endWith(channel: Channel, what: string, end: (reason: Error) => void): void {
  channel.on('error', (error: Error) => end(error));
  channel.on('close', () => end(new Error(`the ${what} channel was closed`)));
}

/** Also when it is broken already, and without waiting long for a broker that may be paused. */
async function close(connection: ChannelModel): Promise<void> {
  const closed = (async () => connection.close())().catch(() => {});
  await Promise.race([closed, sleep(closeTimeoutMs, undefined, { ref: false })]);
  socketOf(connection)?.destroy();
}

function socketOf(connection: ChannelModel): Socket | undefined {
  return (connection.connection as unknown as { stream?: Socket }).stream;
}

/** What Node.js reads the socket with. Its stream cannot stop it: that only stops handing on what was read. */
function handleOf(socket: Socket | undefined): { readStop?(): void; readStart?(): void } | undefined {
  return (socket as unknown as { _handle?: { readStop?(): void; readStart?(): void } | null })?._handle ?? undefined;
}

function withHeartbeat(url: string): string {
  if (/[?&]heartbeat=/.test(url)) return url;
  return `${url}${url.includes('?') ? '&' : '?'}heartbeat=${heartbeatS}`;
}
