// Everything that the promises are judged by, and what a broken promise looks like.
import type { PerService } from '../../services.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { DeadLetter } from '../dead-letters.ts';
import type { Poison } from '../poison.ts';
import type { SimQueue } from '../sim-queue.ts';
import type { Answers } from '../workload/answers.ts';

/** The promises that the simulator can judge, as docs/guarantees.md names them. */
export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10';

export interface Violation extends Finding {
  readonly promise: PromiseId;
}

export interface Finding {
  /** The order concerned, or empty. */
  readonly subject: string;
  readonly text: string;
}

export interface Evidence {
  readonly databases: PerService<Database>;
  /** What customers and staff were answered. */
  readonly answers: Pick<Answers, 'accepted' | 'unansweredRequests' | 'paidIn' | 'broughtIn'>;
  /** Every event that the broker has taken, by id. */
  readonly published: ReadonlyMap<string, OutgoingMessage>;
  /** The services' queues. */
  readonly queues: readonly Pick<SimQueue, 'name' | 'enqueued' | 'acked' | 'deadLettered' | 'lost'>[];
  readonly deadLetters: readonly DeadLetter[];
  /** Messages that could never be read, by id. */
  readonly poison: ReadonlyMap<string, Poison>;
  /** `service/type/subject` of reactions that were made to throw. */
  readonly brokenReactions: ReadonlySet<string>;
}
