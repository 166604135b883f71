// Which messages a saga consists of, and how the raw pipeline passes them on. Everything about exchanges, queues and who
// reacts to what is read off the contract; the bodies are those that the services really send.
import { choreography, type EventType, type ServiceName } from '../shared/contract/choreography.ts';
import { exchangeOf } from '../shared/contract/topology.ts';
import type { Scenario } from './shop.ts';

/** The order in which they are said, each by the service that hears the one before. */
export const sagaSteps: Readonly<Record<Scenario, readonly EventType[]>> = {
  confirmed: ['order.placed', 'payment.completed', 'inventory.reserved', 'order.confirmed'],
  refused: ['order.placed', 'payment.completed', 'inventory.rejected', 'payment.refunded', 'order.cancelled'],
};

/** A message as a service has sent it; the raw pipeline sends the same bytes, with another correlation id. */
export interface SampleMessage {
  readonly type: EventType;
  readonly exchange: string;
  readonly body: string;
  readonly contentType: string;
  readonly appId: string;
  readonly mandatory: boolean;
}

export type SampleMessages = Readonly<Record<Scenario, readonly SampleMessage[]>>;

/** What a service says when it hears this; undefined: it only takes note. */
export function nextStep(scenario: Scenario, service: ServiceName, heard: EventType): EventType | undefined {
  const steps = sagaSteps[scenario];
  const next = steps[steps.indexOf(heard) + 1];
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

/** Ids of raw sagas say which scenario they play; as long as a UUID, so that sizes are the same. */
export function rawSagaId(scenario: Scenario, index: number): string {
  return `${scenario === 'refused' ? 'r' : 'c'}0000000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
}

export function scenarioOf(rawSagaId: string): Scenario {
  return rawSagaId.startsWith('r') ? 'refused' : 'confirmed';
}
