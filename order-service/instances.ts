// Who decides about which order. Each instance decides about the orders that it has accepted; one that is gone for good
// has its orders adopted by another. An order-service without a name has no other instances, and decides about all.
import type { EventOf } from '../shared/contract/choreography.ts';
import { instanceOf } from '../shared/contract/members.ts';
import { SettingsError } from '../shared/runtime/process/settings.ts';
import type { Database } from '../shared/runtime/storage/database.ts';

/** The `source` of events of an order-service without a name. */
export const unnamed = 'order-service';

export const instancesSchema = `
  -- The instance that this database belongs to; no row: order-service without a name.
  CREATE TABLE instance (
    member TEXT NOT NULL,
    -- It has caught up with its peers once.
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    -- It had no name before, and accepted orders then.
    was_unnamed INTEGER NOT NULL CHECK (was_unnamed IN (0, 1))
  ) STRICT;
  CREATE TABLE adoptions (
    instance TEXT PRIMARY KEY,
    adopted_by TEXT NOT NULL,
    event_id TEXT NOT NULL,
    time TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

export interface Adoption {
  readonly instance: string;
  readonly by: string;
  readonly eventId: string;
  readonly time: string;
}

export class Instances {
  /** `order-service.a`, or `order-service` for the one without a name. */
  readonly member: string;
  readonly named: boolean;
  /** An instance decides nothing before it knows what its peers know. */
  ready: boolean;
  readonly #complete;
  readonly #setComplete;
  readonly #wasUnnamed;
  readonly #adopt;
  readonly #adoptedBy;
  readonly #adoptions;

  /** @throws SettingsError when the database is that of another instance */
  constructor(db: Database, member: string | undefined) {
    this.member = member ?? unnamed;
    this.named = member !== undefined;
    this.ready = !this.named;
    claim(db, member);
    this.#complete = db.prepare<[], number>('SELECT complete FROM instance').pluck();
    this.#setComplete = db.prepare('UPDATE instance SET complete = 1');
    this.#wasUnnamed = db.prepare<[], number>('SELECT was_unnamed FROM instance').pluck();
    // Of two adoptions of the same instance the first counts, whichever is known first.
    this.#adopt = db.prepare(
      `INSERT INTO adoptions (instance, adopted_by, event_id, time) VALUES (?, ?, ?, ?)
       ON CONFLICT (instance) DO UPDATE SET
         adopted_by = excluded.adopted_by, event_id = excluded.event_id, time = excluded.time
       WHERE (excluded.time, excluded.event_id) < (time, event_id)`,
    );
    this.#adoptedBy = db.prepare<[string], string>('SELECT adopted_by FROM adoptions WHERE instance = ?').pluck();
    this.#adoptions = db.prepare<[], Adoption>(
      'SELECT instance, adopted_by AS "by", event_id AS eventId, time FROM adoptions ORDER BY instance',
    );
  }

  /** The instance that decides about the orders of an instance. */
  deciderOf(origin = unnamed): string {
    const seen = new Set<string>();
    let decider = origin;
    while (!seen.has(decider)) {
      seen.add(decider);
      decider = this.#adoptedBy.get(decider) ?? decider;
    }
    return decider;
  }

  /** The instances about whose orders an instance decides, as far as it is known here. */
  originsDecidedBy(decider: string): string[] {
    const adopted = this.adoptions().map(({ instance }) => instance);
    return [...new Set([decider, ...adopted])].filter((origin) => this.deciderOf(origin) === decider);
  }

  /** Whether this instance decides about the orders of an instance, and can do so now. */
  decides(origin?: string): boolean {
    return !this.named || (this.ready && this.deciderOf(origin) === this.member);
  }

  /** Whether it is to decide about them, now or when it has caught up. */
  isDeciderOf(origin?: string): boolean {
    return !this.named || this.deciderOf(origin) === this.member;
  }

  /** Who has taken over this instance's own orders; undefined: nobody has. */
  get adoptedBy(): string | undefined {
    return this.named ? this.#adoptedBy.get(this.member) : undefined;
  }

  adoptions(): Adoption[] {
    return this.#adoptions.all();
  }

  /** Inside a transaction only. False: known already, or an earlier adoption of that instance is. */
  noteAdoption({ instance, by, eventId, time }: Adoption): boolean {
    return this.#adopt.run(instance, by, eventId, time).changes === 1;
  }

  /** Whether this database has ever known all that its peers knew. */
  get complete(): boolean {
    return this.#complete.get() === 1;
  }

  /** Inside a transaction only. */
  setComplete(): void {
    this.#setComplete.run();
  }

  /** It has accepted orders while it had no name, and nobody decides about them yet. */
  get hasUnnamedOrders(): boolean {
    return this.#wasUnnamed.get() === 1 && this.#adoptedBy.get(unnamed) === undefined;
  }
}

export function adoptionOf({ id, time, data }: EventOf<'instance.adopted'>): Adoption {
  return { ...data, eventId: id, time };
}

/** A database belongs to one instance for as long as it lives. One without a name may get one. */
function claim(db: Database, member: string | undefined): void {
  const owner = db.prepare<[], string>('SELECT member FROM instance').pluck().get();
  if (owner === member) return;
  if (owner !== undefined) {
    const wanted = `INSTANCE=${instanceOf(owner)}`;
    throw new SettingsError(
      `this database is that of ${owner}, not of ${member ?? 'an order-service without a name'}: set ${wanted}, or another DATABASE_PATH`,
    );
  }
  db.transaction(() => {
    const hasOrders = db.prepare('SELECT 1 FROM orders LIMIT 1').get() !== undefined;
    db.prepare('INSERT INTO instance (member, complete, was_unnamed) VALUES (?, 0, ?)').run(member, hasOrders ? 1 : 0);
    // Alone, it keeps a user's orders as a chain.
    db.exec('INSERT INTO orders_of_user SELECT user_id, placed_at_ms, order_id FROM orders');
  }).immediate();
}
