// The types of this saga's services: the runtime's types, bound to this saga's contract.
import type { choreography, ServiceName } from './contract/choreography.ts';
import type {
  PeerReactionsIn,
  ReactionsIn,
  ServiceDefinitionIn,
  ServicePartsIn,
  TransactionIn,
} from './runtime/node/typed-service.ts';

type C = typeof choreography;
export type Reactions<S extends ServiceName> = ReactionsIn<C, S>;
export type PeerReactions<S extends ServiceName> = PeerReactionsIn<C, S>;
export type Transaction<S extends ServiceName> = TransactionIn<C, S>;
export interface ServiceParts<S extends ServiceName> extends ServicePartsIn<C, S> {}
export type ServiceDefinition<S extends ServiceName, P extends ServiceParts<S>> = ServiceDefinitionIn<C, S, P>;
