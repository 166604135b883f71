// Everything that the promises are judged by.
import type { PerService } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { DeadLetter } from '../environment/dead-letters.ts';
import type { Instances } from '../environment/instances.ts';
import type { Poison } from '../environment/poison.ts';
import type { SimQueue } from '../environment/sim-queue.ts';
import type { Violation } from '../environment/violation.ts';
import type { Answers } from '../workload/answers.ts';

/** A database that was put back, and the consumers that had compared, or handled, more of its journal than it holds since. */
export interface PutBackEvidence {
  readonly service: ServiceName;
  readonly atMs: number;
  readonly ahead: readonly { readonly consumer: string; readonly position: number; readonly eventId: string | null }[];
  /** Ids, in hexadecimal without dashes, of the events that were lost with it and had taken effect at a consumer. */
  readonly handled: readonly { readonly consumer: string; readonly eventIds: readonly string[] }[];
}

/** An error that a service has logged about a database that was put back, its own or a publisher's. */
export interface PutBackReport {
  readonly by: string;
  readonly publisher: string;
  readonly atMs: number;
}

export interface Evidence {
  readonly databases: PerService<Database>;
  /** Of every service, and of every instance of order-service that takes part at the end, by name. */
  readonly members: ReadonlyMap<string, Database>;
  /** Undefined: order-service has no instances. */
  readonly instances: Pick<Instances, 'standing' | 'adopted' | 'decides'> | undefined;
  /** What customers and staff were answered. */
  readonly answers: Pick<Answers, 'accepted' | 'unansweredRequests' | 'paidIn' | 'broughtIn'>;
  /** Every event that the broker has taken, by id. */
  readonly published: ReadonlyMap<string, OutgoingMessage>;
  /** The services' queues. */
  readonly queues: readonly Pick<SimQueue, 'name' | 'enqueued' | 'acked' | 'deadLettered' | 'lost'>[];
  readonly deadLetters: readonly DeadLetter[];
  readonly putBacks: readonly PutBackEvidence[];
  readonly putBackReports: readonly PutBackReport[];
  /** Instances that have lost their database, or are gone for good. */
  readonly instancesLost: readonly { readonly member: string; readonly atMs: number }[];
  /** `member messageId` of dead letters lost with the database of an instance, and of what has not reached one that was adopted. */
  readonly lostDeadLetters: ReadonlySet<string>;
  /** Orders and products of which something was lost when a database was put back: they may disagree. */
  readonly lost: ReadonlySet<string>;
  /** Messages that could never be read, by id. */
  readonly poison: ReadonlyMap<string, Poison>;
  /** And their bytes. */
  readonly poisonBodies: ReadonlyMap<string, Buffer>;
  /** `service/type/subject` of reactions that were made to throw. */
  readonly brokenReactions: ReadonlySet<string>;
  /** What the model says of the run. Undefined: it was not asked. */
  readonly model: { violations(): Iterable<Violation> } | undefined;
}
