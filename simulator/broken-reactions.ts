// Reactions that can be made to throw, for one event of one order, until they are repaired.
import type { SagaService } from '../services.ts';
import type { AnyEvent } from '../shared/contract/choreography.ts';
import type { CloudEvent } from '../shared/contract/cloud-event.ts';
import type { ServiceParts } from '../shared/runtime/node/service.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import type { Faults } from './environment/faults.ts';

type React = (event: AnyEvent, at: never) => unknown;

export class BrokenReactions {
  readonly #faults: Faults;
  /** `service/type` of reactions that break at their next event. */
  readonly #breakNext = new Set<string>();
  readonly #broken = new Set<string>();
  /** Of these, the ones that throw only when their event has been written. */
  readonly #brokenLate = new Set<string>();
  /** `service/type/subject` of all that have ever been broken in this run. */
  readonly everBroken = new Set<string>();

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** Breaks a reaction, as `service/type`, for the next event that it gets. */
  breakNext(reaction: string): void {
    this.#breakNext.add(reaction);
  }

  repairAll(): void {
    this.#broken.clear();
    this.#brokenLate.clear();
    this.#breakNext.clear();
  }

  /**
   * The same service, with reactions that throw when they are broken: after they have written what they write, or when their
   * event has been written, too.
   */
  breakable(definition: SagaService): SagaService {
    let throwsWhenPublished = false;
    const wrap = (react: React): React => {
      return (event, at) => {
        const outcome = react(event, at);
        throwsWhenPublished = false;
        if (!this.#isBroken(definition.name, event)) return outcome;
        if (typeof outcome === 'string' || !this.#brokenLate.has(keyOf(definition.name, event))) throw plantedFault();
        throwsWhenPublished = true;
        return outcome;
      };
    };
    const published = (event: CloudEvent, parts: ServiceParts): void => {
      parts.published?.(event);
      if (!throwsWhenPublished) return;
      throwsWhenPublished = false;
      throw plantedFault();
    };
    return {
      ...definition,
      build: (db: Database, member?: string): ServiceParts => {
        const parts = definition.build(db, member);
        const reactions = Object.entries(parts.reactions).map(([type, react]) => [type, wrap(react as React)]);
        return {
          ...parts,
          reactions: Object.fromEntries(reactions) as ServiceParts['reactions'],
          published: (event) => published(event, parts),
        };
      },
    };
  }

  #isBroken(service: string, event: AnyEvent): boolean {
    if (this.#broken.size === 0 && this.#breakNext.size === 0) return false;
    const key = keyOf(service, event);
    if (this.#breakNext.delete(`${service}/${event.type}`)) {
      this.#faults.add(`broken-reaction ${service} ${event.type}`);
      this.#broken.add(key);
      if (this.everBroken.size % 2 === 0) this.#brokenLate.add(key);
      this.everBroken.add(key);
    }
    return this.#broken.has(key);
  }
}

function keyOf(service: string, { type, subject }: AnyEvent): string {
  return `${service}/${type}/${subject}`;
}

function plantedFault(): Error {
  return new Error('a planted fault');
}
