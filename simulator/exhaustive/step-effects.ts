// What a step does, found out once for each state of its service: a step of one service depends on nothing else.
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Rows, Table } from '../host.ts';
import type { Snapshot, StateKeys } from './state.ts';
import type { StepResult, System } from './system.ts';

/** A step that one service may take. */
export interface ServiceStep {
  readonly service: ServiceName;
  /** What decides, with the rows of the service, what the step does: the message that is delivered, or which command it is. */
  readonly about: string;
  readonly run: () => void;
}

interface Effect extends StepResult {
  /** What the service's tables hold afterwards. */
  readonly rows: Rows;
}

/** So often a step that is known is taken again all the same: it must do what it did. */
const takenAgainEvery = 50;

export class StepEffects {
  readonly #system: System;
  readonly #keys: StateKeys;
  readonly #known = new WeakMap<Rows, Map<string, Map<number, Effect>>>();
  /** Rows that are alike to the byte are the same object, so that what is known of them is found. */
  readonly #rows = new Map<string, Rows>();
  readonly #exactTables = new WeakMap<Table, string>();
  #uses = 0;

  constructor(system: System, keys: StateKeys) {
    this.#system = system;
    this.#keys = keys;
  }

  /** @returns the state after the step, in which the system itself need not be */
  take(step: ServiceStep, from: Snapshot, crashAt: number): Effect & { readonly after: Snapshot } {
    const before = from.rows[step.service];
    const ofRows = emplace(this.#known, before, () => new Map<string, Map<number, Effect>>());
    const ofStep = emplace(ofRows, step.about, () => new Map<number, Effect>());
    const effect = emplace(ofStep, crashAt, () => this.#find(step, from, crashAt));
    this.#uses += 1;
    if (this.#uses % takenAgainEvery === 0) this.#expectSame(step, effect, this.#find(step, from, crashAt));
    const flight = this.#system.flightAfter(from.flight, effect);
    return { ...effect, after: { rows: { ...from.rows, [step.service]: effect.rows }, flight } };
  }

  #find({ service, run }: ServiceStep, from: Snapshot, crashAt: number): Effect {
    this.#system.restore(from);
    const result = this.#system.attempt(service, run, crashAt);
    const rows = this.#system.capture().rows[service];
    return { ...result, rows: emplace(this.#rows, this.#exact(rows), () => rows) };
  }

  #exact(rows: Rows): string {
    return rows.map((table) => emplace(this.#exactTables, table, () => JSON.stringify(table))).join('\n');
  }

  #expectSame({ service, about }: ServiceStep, known: Effect, again: Effect): void {
    const text = ({ rows, taken, acked, failpoints, crashedAt }: Effect) =>
      JSON.stringify([
        this.#keys.keyOfService(service, rows),
        taken.map(({ messageId }) => this.#system.names.get(messageId)),
        acked.length,
        failpoints,
        crashedAt,
      ]);
    if (text(known) === text(again)) return;
    throw new Error(`${service}, ${about}: the same step from the same rows does ${text(known)}, then ${text(again)}`);
  }
}

function emplace<K, V>(map: { get(key: K): V | undefined; set(key: K, value: V): unknown }, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
