// What the three journals hold about one order, as text: each event with the event that it follows from. Two orders with
// the same text went the same way.
import { z } from 'zod';
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { Evidence } from '../../simulator/checks/evidence.ts';

/** An event of a journal, and the one that it follows from. A withdrawal that asks again is `order.withdrawn again`. */
export interface Entry {
  readonly name: string;
  readonly because: string | undefined;
}

export type Journals = PerService<readonly Entry[]>;

const Stored = z.object({
  id: z.string(),
  type: z.string(),
  subject: z.string(),
  causationid: z.string(),
  data: z.object({ attempt: z.number().optional() }).loose(),
});
type Stored = z.output<typeof Stored>;

/** The journals of each order. */
export function journalsOf(databases: Evidence['databases']): Journals[] {
  const stored = perService((service) =>
    databases[service]
      .prepare<[], Buffer>(
        "SELECT body FROM journal WHERE dead_letter IS NULL AND type <> 'product.updated' ORDER BY position",
      )
      .pluck()
      .all()
      .map((body) => Stored.parse(JSON.parse(body.toString()))),
  );
  const all = serviceNames.flatMap((service) => stored[service]);
  const byId = new Map(all.map((event) => [event.id, event]));
  const byOrder = new Map<string, PerService<Entry[]>>();
  for (const service of serviceNames) {
    for (const event of stored[service]) {
      const journals = byOrder.get(event.subject) ?? perService(() => []);
      byOrder.set(event.subject, journals);
      journals[service].push(entryOf(event, byId));
    }
  }
  return [...byOrder.values()];
}

function entryOf(event: Stored, byId: ReadonlyMap<string, Stored>): Entry {
  const cause = byId.get(event.causationid);
  return { name: nameOf(event), because: cause && nameOf(cause) };
}

function nameOf({ type, data }: Stored): string {
  return data.attempt === undefined ? type : `${type} again`;
}

/** However often an order asked again, and was answered the same, once is enough. */
export function journalsText(journals: Journals): string {
  return serviceNames
    .filter((service) => journals[service].length > 0)
    .map((service) => `${service}: ${[...new Set(journals[service].map(entryText))].join(', ')}`)
    .join('; ');
}

function entryText({ name, because }: Entry): string {
  return because ? `${name} <- ${because}` : name;
}
