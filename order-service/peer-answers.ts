// What instances of order-service answer each other, beside their journals.
import { z } from 'zod';
import { Member, Money, Name, OrderId } from '../shared/contract/event-data.ts';
import type { PeerReader } from '../shared/runtime/messaging/peer-reader.ts';

export const paths = {
  instances: '/instances',
  facts: '/copies/facts',
  catalogue: '/copies/catalogue',
  overdue: '/copies/overdue',
} as const;

/** Calls back exactly once, with what the peer answers at a path, or with why it has not. */
export function askPeer<T>(
  peers: Readonly<Record<string, PeerReader>>,
  peer: string,
  { path, query, schema }: Question<T>,
  done: (answer: T | Error) => void,
): void {
  peers[peer]?.get(path, query, (answer) => {
    if (answer instanceof Error) return done(answer);
    const parsed = schema.safeParse(answer);
    done(parsed.success ? parsed.data : new Error(`${peer} answered ${path} with ${z.prettifyError(parsed.error)}`));
  });
}

export interface Question<T> {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly schema: z.ZodType<T>;
}

export const AdoptionView = z.object({ instance: Member, by: Member, eventId: z.uuid(), time: z.iso.datetime() });

export const InstancesAnswer = z.object({
  member: Member.describe('The instance that answers.'),
  ready: z.boolean(),
  notReady: z.string().optional().describe('Why it is not ready.'),
  addresses: z
    .record(z.string(), z.array(z.string()))
    .describe('The instances that it knows by its settings, with URLs.'),
  adoptions: z.array(AdoptionView).describe('Instances that are gone, and who decides about their orders.'),
  orders: z
    .array(z.object({ origin: Member, decider: Member, orders: z.int(), open: z.int() }))
    .optional()
    .describe('Number of the orders, by the instance that accepted them. With `count=true`: it reads all orders.'),
});

export const FactCursor = z.object({ orderId: OrderId, type: z.string() });
export type FactCursor = z.output<typeof FactCursor>;

/** CloudEvents as far as they are stored. */
const StoredEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.uuid(),
  type: z.string(),
  source: z.string(),
  subject: z.string(),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string(),
  correlationid: z.string(),
  causationid: z.string(),
  traceparent: z.string(),
  data: z.unknown(),
});

export const FactCopies = z.object({
  events: z.array(StoredEvent),
  next: FactCursor.optional().describe('The `afterOrder` and `afterType` of the next page, if there is one.'),
});

export const OverdueCursor = z.object({ deadlineAtMs: z.int(), orderId: OrderId });
export type OverdueCursor = z.output<typeof OverdueCursor>;

export const OverdueOrdersAnswer = z.object({
  orders: z
    .array(OrderId)
    .describe('Open orders whose deadlines have passed, those with the earliest deadlines first.'),
  next: OverdueCursor.optional().describe('The `afterDeadline` and `afterOrder` of the next page, if there is one.'),
});

export const CatalogueEntryView = z.object({
  productId: Name,
  name: z.string(),
  unitPrice: Money,
  available: z.boolean(),
  version: z.int().describe('Counts the changes at inventory-service.'),
  asOf: z.iso
    .datetime()
    .optional()
    .describe(
      'When inventory-service made this version; a later one is not known here. Left out if that was before this was kept.',
    ),
});

export const CatalogueCopies = z.object({
  products: z.array(CatalogueEntryView),
  next: Name.optional().describe('The `after` of the next page, if there is one.'),
});
