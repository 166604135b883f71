// Deleting the records of orders that have ended long ago, a few hundred at a time.
import { z } from 'zod';
import { OrderId } from '../../contract/event-data.ts';
import { uuidTimeMs } from '../../contract/event-id.ts';
import type { ServiceNode } from '../node/service-node.ts';
import { ProblemError } from './problem.ts';
import { type Route, route } from './route.ts';

/** More orders would hold up the requests behind them. */
export const deletedAtOnceMax = 200;

const Deletion = z
  .object({
    placedBefore: z.iso.datetime().describe('All orders were placed before; none of these is accepted any more.'),
    orderIds: z.array(OrderId).max(deletedAtOnceMax),
  })
  .strict();

/** @param keptMsMin age of the youngest order that may be deleted: nobody can ask for its events any more */
export function deletionRoute(node: ServiceNode, keptMsMin: number): Route {
  return route({
    method: 'POST',
    path: '/deletions',
    operationId: 'deleteOrders',
    summary: 'Delete the records of orders that have ended long ago',
    description:
      'Repeating it is harmless. Order-service refuses orders that have not ended; the other services do not know that, so ' +
      '`npm run delete-orders` asks order-service first which have, and deletes them there last.',
    body: Deletion,
    answers: { 200: { description: 'Nothing of them is left.', schema: z.object({ deleted: z.int() }) } },
    problems: { 409: 'An order is too young, or has not ended.' },
    command: (tx, { body: { placedBefore, orderIds } }) => {
      const beforeMs = Date.parse(placedBefore);
      if (beforeMs > tx.nowMs - keptMsMin) throw tooYoung(placedBefore, keptMsMin);
      const younger = orderIds.find((orderId) => uuidTimeMs(orderId) >= beforeMs);
      if (younger !== undefined)
        throw new ProblemError(400, 'invalid-request', `order ${younger} was not placed before ${placedBefore}`);
      return { status: 200, body: { deleted: node.parts.deleteOrders?.(orderIds, beforeMs) ?? 0 } };
    },
  });
}

function tooYoung(placedBefore: string, keptMsMin: number): ProblemError {
  const days = Math.ceil(keptMsMin / 86_400_000);
  return new ProblemError(
    409,
    'orders-too-young',
    `${placedBefore} is less than ${days} days ago: somebody may still ask for the events of these orders; JOURNAL_RETENTION_MS decides`,
  );
}
