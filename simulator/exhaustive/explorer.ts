// One order, and every way in which it can go: every order of deliveries, every crash at every failpoint, a
// cancellation and a deadline between any two steps, a duplicate of everything in every state. Enumerated, not sampled;
// states that are equal are visited once.
import { type PerService, perService, serviceNames } from '../../services.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { isSagaEvent } from '../environment/saga-event.ts';
import type { Violation } from '../environment/violation.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { type Budget, fullBudget, type Scenario } from './scenarios.ts';
import { copyKey, copyOf, rowsOf, type State, StateKeys } from './state.ts';
import { checkAnyState, checkFinalState, statusIn } from './state-checks.ts';
import { type ServiceStep, StepEffects } from './step-effects.ts';
import { System } from './system.ts';

/** A violation, and the steps that lead to it. */
export type FoundViolation = Violation & { readonly path: readonly string[] };

export interface Exploration {
  readonly scenario: string;
  readonly states: number;
  readonly steps: number;
  /** Different ways through the states, from the placing of the order to an end. */
  readonly runs: bigint;
  /** Duplicates delivered: everything that has been handled before, again, in every state. */
  readonly duplicates: number;
  /** Outcomes of reactions that came about, `service: event -> outcome`. */
  readonly outcomes: ReadonlySet<string>;
  readonly ends: Readonly<Record<string, number>>;
  /** Sets of events that a service may have handled at the end: `service: types`. */
  readonly handledSets: ReadonlySet<string>;
  readonly violations: readonly FoundViolation[];
}

/** @param onEnd called with the databases in each state that has nothing left to deliver */
export function explore(
  scenario: Scenario,
  budget: Budget = fullBudget,
  mutant?: Mutant,
  onEnd?: (databases: PerService<Database>) => void,
): Exploration {
  return new Explorer(scenario, budget, mutant, onEnd).run();
}

interface Visit {
  /** Keys of the states that follow. */
  readonly next: string[];
  runs: bigint | undefined;
}

interface Step extends ServiceStep {
  readonly what: string;
  /** What is different in the state after the step, whatever the step does. */
  readonly after?: Partial<State>;
}

const violationsMax = 10;

class Explorer {
  readonly #scenario: Scenario;
  readonly #budget: Budget;
  readonly #system: System;
  readonly #keys: StateKeys;
  readonly #effects: StepEffects;
  readonly #visits = new Map<string, Visit>();
  readonly #violations: FoundViolation[] = [];
  readonly #onEnd: ((databases: PerService<Database>) => void) | undefined;
  readonly #ends: Record<string, number> = {};
  readonly #handledSets = new Set<string>();
  /** Duplicates that are known to change nothing. */
  readonly #harmless = new Set<string>();
  #steps = 0;
  #duplicates = 0;

  constructor(
    scenario: Scenario,
    budget: Budget,
    mutant: Mutant | undefined,
    onEnd: ((databases: PerService<Database>) => void) | undefined,
  ) {
    this.#onEnd = onEnd;
    this.#scenario = scenario;
    this.#budget = budget;
    this.#system = new System(mutant);
    this.#keys = new StateKeys(this.#system.names);
    this.#effects = new StepEffects(this.#system, this.#keys);
  }

  run(): Exploration {
    const system = this.#system;
    system.prepare(this.#scenario);
    const start: State = { ...system.capture(), ...this.#budget, accepted: false };
    const place: Step = {
      what: 'the order is placed',
      service: 'order-service',
      about: 'placing',
      run: () => system.placeOrder(),
    };
    const root = this.#take(place, start, [], { accepted: true });
    return {
      scenario: this.#scenario.name,
      runs: root.reduce((sum, key) => sum + this.#runsFrom(key), 0n),
      states: this.#visits.size,
      steps: this.#steps,
      duplicates: this.#duplicates,
      outcomes: system.outcomes,
      ends: this.#ends,
      handledSets: this.#handledSets,
      violations: this.#violations,
    };
  }

  #visit(state: State, path: readonly string[]): string {
    const key = this.#keys.keyOf(state);
    if (this.#visits.has(key) || this.#violations.length >= violationsMax) return key;
    const visit: Visit = { next: [], runs: undefined };
    this.#visits.set(key, visit);
    this.#check(state, path);
    this.#deliverDuplicates(state, path);
    for (const step of this.#stepsFrom(state)) visit.next.push(...this.#take(step, state, path));
    return key;
  }

  #stepsFrom(state: State): Step[] {
    const system = this.#system;
    const deliveries = [...state.flight.keys()].flatMap((key): Step[] => {
      const { queue, messageId } = copyOf(key);
      const service = serviceNames.find((name) => name === queue);
      if (!service) return [];
      const message = system.messages.get(messageId);
      if (!message) throw new Error(`nobody has published ${messageId}`);
      const what = `${service} gets ${system.names.get(messageId)}`;
      return [{ what, service, about: `${messageId} ${message.body}`, run: () => system.deliver(key) }];
    });
    if (rowsOf(state.rows['order-service'], 'orders').length === 0) return deliveries;
    const cancellation: Step = {
      what: 'the customer cancels',
      service: 'order-service',
      about: 'cancellation',
      run: () => system.cancelOrder(),
      after: { cancels: state.cancels - 1 },
    };
    const deadline: Step = {
      what: 'the deadline passes',
      service: 'order-service',
      about: 'deadline',
      run: () => system.passDeadline(),
      after: { deadline: false },
    };
    return [...deliveries, ...(state.cancels > 0 ? [cancellation] : []), ...(state.deadline ? [deadline] : [])];
  }

  /** Takes a step without a crash, then with a crash at each of the failpoints that it hit. Returns the keys that follow. */
  #take(step: Step, from: State, path: readonly string[], unlessCrashed: Partial<State> = {}): string[] {
    const next: { readonly state: State; readonly what: string }[] = [];
    const attempt = (crashAt: number): number => {
      this.#steps += 1;
      const { failpoints, crashedAt, after } = this.#effects.take(step, from, crashAt);
      const state: State = {
        ...from,
        ...step.after,
        ...after,
        ...(crashedAt === undefined ? unlessCrashed : { crashes: from.crashes - 1 }),
      };
      const crash = crashedAt === undefined ? '' : `, and ${step.service} crashes: ${crashedAt}`;
      next.push({ state, what: `${step.what}${crash}` });
      return failpoints;
    };
    const failpoints = attempt(Number.POSITIVE_INFINITY);
    if (from.crashes > 0) for (let failpoint = 1; failpoint <= failpoints; failpoint++) attempt(failpoint);
    return next.map(({ state, what }) => this.#visit(state, [...path, what]));
  }

  /** Whatever has been handled must be harmless in every state that follows: then it is, however often it comes. */
  #deliverDuplicates(state: State, path: readonly string[]): void {
    const system = this.#system;
    for (const service of serviceNames) {
      for (const id of system.hosts[service].handled(state.rows[service])) {
        if (!isSagaEvent(system.messages.get(id)?.routingKey ?? '')) continue;
        this.#duplicates += 1;
        // What a duplicate does depends only on the service that gets it: once in each of its states is enough.
        const alike = `${this.#keys.keyOfService(service, state.rows[service])} ${system.names.get(id)}`;
        if (this.#harmless.has(alike)) continue;
        this.#harmless.add(alike);
        const copy = copyKey(service, id);
        system.restore(state);
        system.addCopy(copy);
        system.deliver(copy);
        if (this.#keys.keyOf({ ...state, ...system.capture() }) === this.#keys.keyOf(state)) continue;
        const text = `${system.names.get(id)} came to ${service} again, and that changed something`;
        this.#violations.push({ promise: 'P6', subject: system.orderId, text, path });
      }
    }
  }

  #check(state: State, path: readonly string[]): void {
    const violations = checkAnyState(this.#system, state);
    const deadLettered = violations.some(({ promise }) => promise === 'P8');
    if (!deadLettered && state.flight.size === 0) {
      this.#system.restore(state);
      const status = statusIn(this.#system);
      this.#ends[status] = (this.#ends[status] ?? 0) + 1;
      this.#noteHandledSets(state);
      this.#onEnd?.(perService((name) => this.#system.hosts[name].database.db));
      const { cancels, deadline } = this.#budget;
      const untouched = state.cancels === cancels && state.deadline === deadline;
      violations.push(...checkFinalState(this.#system, state, this.#scenario, untouched));
    }
    this.#violations.push(...violations.map((violation) => ({ ...violation, path })));
  }

  #noteHandledSets({ rows }: State): void {
    for (const service of serviceNames) {
      const { hosts, messages } = this.#system;
      const types = hosts[service].handled(rows[service]).map((id) => messages.get(id)?.routingKey ?? '');
      this.#handledSets.add(`${service}: ${[...new Set(types)].filter(isSagaEvent).sort().join(' ')}`);
    }
  }

  #runsFrom(key: string): bigint {
    const visit = this.#visits.get(key);
    if (!visit) return 0n;
    visit.runs ??= visit.next.length === 0 ? 1n : visit.next.reduce((sum, next) => sum + this.#runsFrom(next), 0n);
    return visit.runs;
  }
}
