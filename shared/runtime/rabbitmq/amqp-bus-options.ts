// What the bus on RabbitMQ needs to know, and with it the publisher and the consumer that it consists of.
import type { Topology } from '../../contract/topology.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';

export interface AmqpBusOptions {
  readonly url: string;
  readonly service: string;
  readonly topology: Topology;
  /** Messages that may be delivered and not yet acked. */
  readonly prefetch: number;
  readonly log: Log;
  /** Left out: the system's. */
  readonly clock?: Clock | undefined;
  /** Names the database; see queue-owner.ts. */
  readonly databaseId: string;
  /** A process with another database consumes from this service's queue: this one must end. */
  readonly refused: (why: string) => void;
}
