// Which events belong to the saga of an order, and how such a saga ends. Both follow from the contract.
import { choreography, type EventType } from '../../shared/contract/choreography.ts';
import type { EventSpec } from '../../shared/contract/language.ts';

const specs: Readonly<Record<string, EventSpec>> = choreography.events;

/** False for events beside the saga, such as a product's new price. */
export function isSagaEvent(type: string): boolean {
  return specs[type] !== undefined && !specs[type].standalone;
}

/** Also for what is no event, such as a dead letter. */
export function hasSubscribers(type: string): boolean {
  return Object.keys(specs[type]?.reactions ?? { owner: [] }).length > 0;
}

export function publisherOf(type: string): string {
  return specs[type]?.by ?? '';
}

/** The events that end an order. Each is named after the status in which it leaves the order. */
export const finalEvents = (Object.keys(specs) as EventType[]).filter((type) => specs[type]?.final);

/** The statuses that an order never leaves. */
export const finalStatuses: readonly string[] = finalEvents.map((type) => specs[type]?.final ?? '');

export function hasEnded(status: string): boolean {
  return finalStatuses.includes(status);
}
