// The sagas that the page holds, newest first.
import type { SagaRow } from '../../model/messages.ts';

const rowsMax = 10_000;

export class RowStore {
  readonly #byId = new Map<string, SagaRow>();
  /** Newest first. */
  #ids: string[] = [];
  /** Counts the changes. */
  version = 0;

  get size(): number {
    return this.#ids.length;
  }

  clear(): void {
    this.#byId.clear();
    this.#ids = [];
    this.version += 1;
  }

  put(rows: readonly SagaRow[]): void {
    const added: string[] = [];
    for (const row of rows) {
      if (!this.#byId.has(row.orderId)) added.push(row.orderId);
      this.#byId.set(row.orderId, row);
    }
    if (rows.length > 0) this.version += 1;
    if (added.length === 0) return;
    this.#ids = added.length > 50 ? this.#sorted([...added, ...this.#ids]) : this.#inserted(added);
    for (const dropped of this.#ids.splice(rowsMax)) this.#byId.delete(dropped);
  }

  get(orderId: string): SagaRow | undefined {
    return this.#byId.get(orderId);
  }

  /** Newest first. */
  all(): SagaRow[] {
    return this.#ids.flatMap((id) => this.#byId.get(id) ?? []);
  }

  #sorted(ids: string[]): string[] {
    return ids.sort((a, b) => this.#startOf(b) - this.#startOf(a) || (a < b ? 1 : -1));
  }

  #inserted(added: readonly string[]): string[] {
    for (const id of added) {
      const start = this.#startOf(id);
      let index = 0;
      while (index < this.#ids.length && this.#startOf(this.#ids[index] ?? '') > start) index += 1;
      this.#ids.splice(index, 0, id);
    }
    return this.#ids;
  }

  #startOf(id: string): number {
    return this.#byId.get(id)?.startedAt ?? 0;
  }
}
