// Planted bugs: common mistakes in sagas, layer by layer. The simulator must find every one by the promise that it breaks; one
// that survives is a hole in the checks.
import { deadlineMutants } from './deadline-mutants.ts';
import { eventMutants } from './event-mutants.ts';
import { inboxMutants } from './inbox-mutants.ts';
import { instanceMutants } from './instance-mutants.ts';
import type { Mutant } from './mutant.ts';
import { outboxMutants } from './outbox-mutants.ts';
import { reactionMutants } from './reaction-mutants.ts';
import { reconciliationMutants } from './reconciliation-mutants.ts';
import { storageMutants } from './storage-mutants.ts';

export const mutantsByLayer: Readonly<Record<string, readonly Mutant[]>> = {
  events: eventMutants,
  reactions: reactionMutants,
  storage: storageMutants,
  outbox: outboxMutants,
  inbox: inboxMutants,
  reconciliation: reconciliationMutants,
  deadlines: deadlineMutants,
  instances: instanceMutants,
};

export const mutants: readonly Mutant[] = Object.values(mutantsByLayer).flat();
