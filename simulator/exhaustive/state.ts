// The state of everything in one moment of an exploration, and when two states are the same.
import { type PerService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { dashed, type Rows, type Table } from '../host.ts';
import type { Budget } from './scenarios.ts';

/** What the services and the broker hold. */
export interface Snapshot {
  readonly rows: PerService<Rows>;
  /** Copies that have to be delivered (see copyKey), and how many of each. */
  readonly flight: ReadonlyMap<string, number>;
}

/** A snapshot, what is left of the budget, and whether the customer has been answered. */
export interface State extends Snapshot, Budget {
  readonly accepted: boolean;
}

/** A copy of a message in a queue, as a key. */
export function copyKey(queue: string, messageId: string): string {
  return `${queue} ${messageId}`;
}

export function copyOf(key: string): { readonly queue: string; readonly messageId: string } {
  const [queue = '', messageId = ''] = key.split(' ');
  return { queue, messageId };
}

export function rowsOf(tables: Rows, table: string): readonly unknown[][] {
  return tables.find(([name]) => name === table)?.[1] ?? [];
}

/**
 * Of these tables, what the future depends on. Checksums and bytes of an event follow from its id; positions only matter
 * to reconciliation, which an exploration leaves out.
 */
const columnsThatCount: Readonly<Record<string, (row: readonly unknown[]) => readonly unknown[]>> = {
  journal: ([, eventId, , type]) => [eventId, type],
  inbox: ([eventId, , , , , deadLetter]) => [eventId, deadLetter],
  journal_identity: () => [],
  outbox_marks: () => [],
};

/** Keys that are equal for states that differ only in generated ids. */
export class StateKeys {
  /** What each id stands for. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #known = new WeakMap<Rows, string>();
  readonly #knownTables = new WeakMap<Table, string>();

  constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  keyOf({ rows, flight, crashes, cancels, deadline, accepted }: State): string {
    const services = serviceNames.map((service) => this.keyOfService(service, rows[service]));
    const copies = [...flight].map(([key, count]) => {
      const { queue, messageId } = copyOf(key);
      return `${queue} ${this.#nameOf(messageId)} ${count}`;
    });
    return [...services, copies.sort().join('|'), crashes, cancels, deadline ? 1 : 0, accepted ? 1 : 0].join('\n');
  }

  keyOfService(service: ServiceName, tables: Rows): string {
    const known = this.#known.get(tables);
    if (known !== undefined) return known;
    const key = `${service} ${tables.map((table) => this.#keyOfTable(table)).join('\n')}`;
    this.#known.set(tables, key);
    return key;
  }

  #keyOfTable(table: Table): string {
    const known = this.#knownTables.get(table);
    if (known !== undefined) return known;
    const [name, rows] = table;
    const columns = columnsThatCount[name];
    const lines = rows.map((row) => this.#keyOfRow(columns ? columns(row) : row));
    const key = `${name} ${lines.sort().join('|')}`;
    this.#knownTables.set(table, key);
    return key;
  }

  #keyOfRow(row: readonly unknown[]): string {
    const values = row.map((value) => (Buffer.isBuffer(value) ? dashed(value.toString('hex')) : value));
    return JSON.stringify(values).replace(uuid, (id) => this.#nameOf(id));
  }

  #nameOf(id: string): string {
    return this.#names.get(id) ?? 'id';
  }
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
