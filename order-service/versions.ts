// Read your own write, at whatever instance: an answer about an order says up to which of its events it goes (Saga-Version); a
// read that brings this back (Saga-Minimum-Version) waits until that event is known here.
import { choreography, type EventType } from '../shared/contract/choreography.ts';
import { OrderId } from '../shared/contract/event-data.ts';
import { ProblemError, unavailable } from '../shared/runtime/http/problem.ts';
import type { HttpAnswer } from '../shared/runtime/http/route.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { OrderParts } from './service.ts';
import type { OrderStore } from './store.ts';

/** How long a read waits that does not say how long it may. */
const waitMsDefault = 2_000;
/** Most versions that one read may bring. */
const versionsMax = 20;

/** What order-service itself has published about an order, the latest first. */
const ownEvents = [
  'order.confirmed',
  'order.cancelled',
  'order.withdrawn',
  'order.cancel-requested',
  'order.placed',
] as const satisfies readonly EventType[];

interface Version {
  readonly orderId: string;
  readonly type: EventType;
}

/** The answer with what its order has come to, as this instance knows it; as it is where there are no others. */
export function withVersion(store: OrderStore, orderId: string, answer: HttpAnswer): HttpAnswer {
  if (!store.instances.named) return answer;
  const latest = latestVersion(store, orderId);
  return latest ? { ...answer, headers: { ...answer.headers, ...versionHeader(store, orderId, latest) } } : answer;
}

/** The latest of order-service's own events about an order that is known here. */
export function latestVersion(store: OrderStore, orderId: string): (typeof ownEvents)[number] | undefined {
  const facts = store.factTypes(orderId);
  return ownEvents.find((type) => facts.has(type));
}

/** Names an event of an order; nothing where there are no other instances. */
export function versionHeader(store: OrderStore, orderId: string, type: EventType): Record<string, string> {
  return store.instances.named ? { 'saga-version': `${orderId}:${type}` } : {};
}

/** @throws ProblemError 400 for what is no list of versions */
function parseVersions(header: string): Version[] {
  const texts = header.split(',').map((text) => text.trim());
  const versions = texts.flatMap((text): Version[] => {
    // Stryker disable next-line StringLiteral: what is no id and no type is refused, whatever it says
    const [orderId = '', type = ''] = text.split(':');
    return OrderId.safeParse(orderId).success && isEventType(type) ? [{ orderId: orderId.toLowerCase(), type }] : [];
  });
  if (versions.length === texts.length && texts.length <= versionsMax) return versions;
  throw new ProblemError(
    400,
    'invalid-version',
    `Saga-Minimum-Version must be a Saga-Version, or up to ${versionsMax} of them, separated by commas`,
  );
}

function isEventType(text: string): text is EventType {
  return Object.hasOwn(choreography.events, text);
}

export class VersionWaiters {
  readonly #node: ServiceNode<OrderParts>;
  readonly #waiting = new Set<{ readonly versions: readonly Version[]; readonly end: () => void }>();

  constructor(node: ServiceNode<OrderParts>) {
    this.#node = node;
    node.commit.join({ begin() {}, rolledBack() {}, committed: () => this.#look() });
  }

  /**
   * Resolves when these events are known here.
   * @throws ProblemError 400 for what is no list of versions; 503 when they are not known after waitMs
   */
  async known(header: string, waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const versions = parseVersions(header);
    if (this.#know(versions) || (await this.#come(versions, waitMs ?? waitMsDefault, signal))) return;
    const { member } = this.#node;
    throw unavailable('version-not-known', `${member} does not know that version yet; try again, or elsewhere`, 1);
  }

  #know(versions: readonly Version[]): boolean {
    const { store } = this.#node.parts;
    return versions.every(({ orderId, type }) => store.fact(orderId, type) !== undefined && store.order(orderId));
  }

  #come(versions: readonly Version[], waitMs: number, signal: AbortSignal): Promise<boolean> {
    if (waitMs === 0 || signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        this.#waiting.delete(waiter);
        resolve(this.#know(versions));
      };
      const waiter = { versions, end };
      const timer = this.#node.clock.after(waitMs, end);
      signal.addEventListener('abort', end);
      this.#waiting.add(waiter);
    });
  }

  #look(): void {
    for (const { versions, end } of this.#waiting) if (this.#know(versions)) end();
  }
}
