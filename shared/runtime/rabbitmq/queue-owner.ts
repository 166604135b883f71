// A queue belongs to one database: two processes with a database each would share out one service's events between them.
// Whoever consumes holds a second queue beside it, whose arguments name the database; the broker refuses others. When nobody
// holds it any more, it is deleted, so that a new database can follow a lost one.
import type { ChannelModel } from 'amqplib';
import { queueOf } from '../../contract/topology.ts';
import { type Clock, systemClock } from '../environment/clock.ts';

/** RabbitMQ gives a holder up after two heartbeats of 10 s; until then it may be one that is no longer there. */
const patienceMs = 25_000;
/** The broker deletes the second queue by itself, too, soon after its last holder has gone. Less than the patience. */
const unusedMs = 15_000;

export interface QueueOwnerOptions {
  readonly service: string;
  /** The same for all processes on one database, and for the backups of it. */
  readonly databaseId: string;
  /** Left out: the system's. */
  readonly clock?: Clock | undefined;
  /** Another database has held the queue for so long that its process must be alive. */
  readonly refused: (why: string) => void;
}

export class QueueOwner {
  readonly #options: QueueOwnerOptions;
  #refusedSinceMs: number | undefined;

  constructor(options: QueueOwnerOptions) {
    this.#options = options;
  }

  /**
   * Holds the service's queue for this database, for as long as the connection lasts.
   * @param end called when it no longer does
   * @throws when another database holds it
   */
  async claim(connection: ChannelModel, end: (reason: Error) => void): Promise<void> {
    const { service, databaseId } = this.#options;
    const channel = await connection.createChannel();
    // A refusal closes the channel; it is reported below.
    channel.on('error', () => {});
    const name = `${queueOf(service)}.owner`;
    try {
      await channel.assertQueue(name, {
        durable: true,
        // RabbitMQ compares these with those of the queue that exists. Nothing is ever published to it.
        arguments: {
          // Replicated, as the queue that it guards: a classic one could not be used while its node is down.
          'x-queue-type': 'quorum',
          'x-expires': unusedMs,
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': databaseId,
        },
      });
    } catch (error) {
      if (!/inequivalent arg 'x-dead-letter-routing-key'/.test(String(error))) throw error;
      await deleteUnheld(connection, name);
      throw this.#refusal();
    }
    this.#refusedSinceMs = undefined;
    channel.on('close', () => end(new Error(`the channel that holds '${name}' was closed`)));
    await channel.consume(name, (message) => message ?? end(new Error(`the queue '${name}' was deleted`)), {
      noAck: true,
    });
  }

  #refusal(): Error {
    const queue = queueOf(this.#options.service);
    const why =
      `a process with another database consumes from the queue '${queue}': together they would corrupt both. ` +
      'Stop it, or use its database (DATABASE_PATH), or give this system a vhost of its own (AMQP_URL)';
    const nowMs = (this.#options.clock ?? systemClock).steadyMs();
    this.#refusedSinceMs ??= nowMs;
    if (nowMs - this.#refusedSinceMs >= patienceMs) this.#options.refused(why);
    return new Error(why);
  }
}

/**
 * What is left of a holder that has gone. Should somebody take hold of it in this very moment, the consumer is cancelled, and
 * whoever comes first gets the next one.
 */
async function deleteUnheld(connection: ChannelModel, name: string): Promise<void> {
  const channel = await connection.createChannel();
  // The queue may be gone.
  channel.on('error', () => {});
  const holders = await channel.checkQueue(name).catch(() => undefined);
  if (holders?.consumerCount === 0) await channel.deleteQueue(name);
}
