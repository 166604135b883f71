// Erasing a person over HTTP: step after step, each in a transaction of its own, so that no request waits behind it.
import { z } from 'zod';
import { Name } from '../../contract/event-data.ts';
import { pseudonymPrefix } from '../../contract/pseudonym.ts';
import type { EraseStep, Person } from '../node/erasure.ts';
import type { ServiceNode } from '../node/service-node.ts';
import { type Route, route } from './route.ts';

const Erasure = z
  .object({
    userId: Name,
    pseudonym: Name.refine((name) => name.startsWith(pseudonymPrefix), `must begin with ${pseudonymPrefix}`).describe(
      `Takes the place of the user id, the same in every service. Begins with ${pseudonymPrefix}. It must not lead back to the user.`,
    ),
  })
  .strict()
  .refine(({ userId, pseudonym }) => userId !== pseudonym, { path: ['pseudonym'], message: 'must not be the user id' });

/** @param steps of the service's own tables, then of its journal */
export function erasureRoute(node: ServiceNode, steps: readonly EraseStep[]): Route {
  return route({
    method: 'POST',
    path: '/erasures',
    operationId: 'eraseUser',
    summary: "Replace a user's id by a pseudonym, in all that this service keeps",
    description:
      'Answered when it is done, which takes a second for every 100,000 entries of the journal. To be repeated with the same ' +
      'pseudonym after a failure. `npm run erase` asks all services.',
    body: Erasure,
    lane: 'service',
    answers: {
      200: {
        description: 'The user id is in none of its tables any more.',
        schema: z.object({ pseudonym: z.string() }),
      },
    },
    problems: {
      409: 'The user has an order that has not ended.',
      503: 'The database cannot be written now. What is done stays done.',
    },
    handle: async ({ body: person }) => {
      for (const step of steps) await runAll(node, step, person);
      return { status: 200, body: { pseudonym: person.pseudonym } };
    },
  });
}

async function runAll(node: ServiceNode, step: EraseStep, person: Person): Promise<void> {
  let cursor: string | undefined;
  do {
    const from = cursor;
    cursor = await node.transact(() => step(person, from), node.newCause());
  } while (cursor !== undefined);
}
