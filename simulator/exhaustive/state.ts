// The state of everything in one moment of an exploration, and when two states are the same.
import { type PerService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { dashed, type Rows } from '../host.ts';
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

/** Keys that are equal for states that differ only in generated ids. */
export class StateKeys {
  /** What each id stands for. */
  readonly #names: ReadonlyMap<string, string>;
  readonly #known = new WeakMap<Rows, string>();

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
    const texts = tables.map(([table, rows]) => {
      const lines = rows.map((row) => this.#keyOfRow(row));
      return `${table} ${lines.sort().join('|')}`;
    });
    const key = `${service} ${texts.join('\n')}`;
    this.#known.set(tables, key);
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
