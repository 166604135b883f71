// What a planted bug is: a change around the real code, so that the services have no switch for it.
import type { SagaService } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Bus } from '../../shared/runtime/messaging/bus.ts';
import type { JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import type { PeerReader } from '../../shared/runtime/messaging/peer-reader.ts';
import type { Transaction } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { FaultKind } from '../environment/faults.ts';
import type { Random } from '../environment/random.ts';
import type { SimDatabase, StatementHook } from '../environment/sim-database.ts';
import type { PromiseId } from '../environment/violation.ts';

/** How a bug is planted. */
export interface Planting {
  definition?(definition: SagaService): SagaService | undefined;
  statements?(service: ServiceName): StatementHook | undefined;
  bus?(bus: Bus, service: ServiceName, random: Random): Bus;
  opened?(database: SimDatabase, service: ServiceName): void;
  /** How another service's journal is read. */
  journal?(reader: JournalReader, publisher: string): JournalReader;
  /** How another instance is asked. */
  peer?(reader: PeerReader): PeerReader;
  /** What the requests of people are given. */
  transaction?(tx: Transaction, service: ServiceName): Transaction;
  /** Faults that bring it to light. Absent: all. */
  readonly faults?: readonly FaultKind[];
  /** Named instances of order-service that it takes. Absent: none. */
  readonly instances?: number;
  /** Orders that it takes to bring it to light. Absent: as few as for the others. */
  readonly orders?: number;
  /** The disks are checkpointed now and then; see SimDatabase. */
  readonly checkpoints?: true;
  /** How long journals keep events; without it: for ever. */
  readonly retentionMs?: number;
}

export interface Mutant extends Planting {
  readonly name: string;
  readonly bug: string;
  /** The promise that it breaks, and by which it must be found. */
  readonly promise: PromiseId;
}

/** One line of a table of planted bugs. */
export function planted(promise: PromiseId, name: string, bug: string, planting: Planting): Mutant {
  return { name, bug, promise, ...planting };
}
