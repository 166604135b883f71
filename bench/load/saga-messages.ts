// Which messages a saga consists of, and how the raw pipeline passes them on. Exchanges, queues and who reacts to what
// come from the contract; the bodies are those that the services publish.
import { choreography, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { exchangeOf } from '../../shared/contract/topology.ts';
import type { Scenario } from './shop.ts';

/** In the order of publication, each by a service that handles the one before. */
export const sagaSteps: Readonly<Record<Scenario, readonly EventType[]>> = {
  confirmed: ['order.placed', 'payment.completed', 'inventory.reserved', 'order.confirmed'],
  refused: ['order.placed', 'payment.completed', 'inventory.rejected', 'payment.refunded', 'order.cancelled'],
};

/** A message as a service published it; the raw pipeline publishes the same bytes, with another correlation id. */
export interface SampleMessage {
  readonly type: EventType;
  readonly exchange: string;
  readonly body: string;
  readonly contentType: string;
  readonly appId: string;
  readonly mandatory: boolean;
}

export type SampleMessages = Readonly<Record<Scenario, readonly SampleMessage[]>>;

/** What a service publishes when it handles this; undefined: nothing. */
export function nextStep(scenario: Scenario, service: ServiceName, handled: EventType): EventType | undefined {
  const steps = sagaSteps[scenario];
  const next = steps[steps.indexOf(handled) + 1];
  return next !== undefined && choreography.events[next].by === service ? next : undefined;
}

/** Queues that a message of this type goes to. */
export function readersOf(type: EventType): number {
  return Object.keys(choreography.events[type].reactions).length;
}

export function isMandatory(type: EventType): boolean {
  return readersOf(type) > 0;
}

export function exchangeFor(type: EventType): string {
  return exchangeOf(choreography.events[type].by);
}

/** The first letter is the scenario. As long as a UUID, so that messages have the same size. */
export function rawSagaId(scenario: Scenario, index: number): string {
  return `${scenario === 'refused' ? 'r' : 'c'}0000000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
}

export function scenarioOf(rawSagaId: string): Scenario {
  return rawSagaId.startsWith('r') ? 'refused' : 'confirmed';
}
