// The kinds of faults that can be injected, which of them a run has, and how often each has happened.

/** Kind → what it does. */
export const faultKinds = {
  reorder: 'a message overtakes others in its queue',
  duplicate: 'a message is put into its queue twice',
  delay: 'a message is delivered seconds later',
  'lost-ack': 'an ack does not reach the broker before its connection ends',
  'lost-confirm': 'the broker takes a message, and the connection ends before the confirm',
  nack: 'the broker refuses a message',
  unroutable: 'the bindings of an event type are removed, and restored later',
  'message-lost': 'a queue loses a message for ever',
  'binding-removed': 'one queue loses one of its bindings, until it is declared again',
  'queue-purged': 'everything that waits in a queue is lost for ever',
  'queue-deleted': 'a queue is deleted, with everything in it, until it is declared again',
  'broker-wiped': 'the broker loses everything in all queues, and starts again',
  poison: 'a message that can never be read',
  'broken-reaction': 'one reaction throws for one order, until it is repaired',
  crash: 'a service crashes at a failpoint, or between two steps',
  'crash-loop': 'a service crashes again and again, until the broker dead-letters its messages, guilty or not',
  'power-loss': 'every service loses power at once, and every database loses what was not on disk',
  'connection-cut': 'the connections of one service end',
  'broker-restart': 'the broker stops and starts again',
  blocked: 'the broker asks publishers to stop for a while',
  'put-back': 'a service goes on from an earlier snapshot of its database',
  away: 'a service is down for an hour or more',
  'database-full': 'a database cannot grow',
  'database-read-only': 'a database cannot be written',
  'database-busy': 'another process holds the lock of a database',
  'clock-jump': 'a wall clock jumps forwards or backwards, or stops',
  'instance-joins': 'an instance of order-service joins in the middle of the run',
  'instance-lost': 'an instance loses its database, and gets everything back from its peers and from journals',
  'instance-adopted':
    'an instance is gone for good, another adopts its orders, and now and then the old one comes back',
  cancel: 'customers cancel, at any moment, twice, too late, or what was never ordered',
  'deadline-tie': 'success arrives in the very millisecond of the deadline',
  redrive: 'dead letters are put back: once, twice, after the end',
  'late-duplicates': 'messages are delivered again, several times, hours later',
  replay: 'every message ever published is delivered again, in any order',
} as const;

export type FaultKind = keyof typeof faultKinds;
export const allFaults = Object.keys(faultKinds) as FaultKind[];

/** `all`, `none`, or a comma list of kinds. @throws Error that names what is wrong */
export function parseFaults(text: string): FaultKind[] {
  if (text === 'all') return allFaults;
  if (text === 'none') return [];
  const kinds = text.split(',').map((kind) => kind.trim());
  for (const kind of kinds) {
    if (!Object.hasOwn(faultKinds, kind)) {
      throw new Error(`no fault kind '${kind}'; there are: all, none, ${allFaults.join(', ')}`);
    }
  }
  return kinds as FaultKind[];
}

/** Counts things by name. */
export class Counter {
  readonly counts = new Map<string, number>();

  add(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }
}

export class Faults extends Counter {
  readonly kinds: ReadonlySet<FaultKind>;
  /** False before and after the phase with faults. */
  active = true;

  constructor(kinds: Iterable<FaultKind>) {
    super();
    this.kinds = new Set(kinds);
  }

  /** True while faults of this kind may happen. */
  on(kind: FaultKind): boolean {
    return this.active && this.kinds.has(kind);
  }
}
