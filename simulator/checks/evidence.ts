// Everything that the promises are judged by.
import type { PerService } from '../../services.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { DeadLetter } from '../environment/dead-letters.ts';
import type { Poison } from '../environment/poison.ts';
import type { SimQueue } from '../environment/sim-queue.ts';
import type { Answers } from '../workload/answers.ts';

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
