// The types of loyalty-service: the runtime's types, bound to the contract of this example, as shared/saga.ts binds them to that of
// the project.
import type { ServiceIn } from '../../shared/contract/language.ts';
import type { ReactionsIn, ServiceDefinitionIn, ServicePartsIn } from '../../shared/runtime/node/typed-service.ts';
import type { choreography } from './choreography.ts';

type C = typeof choreography;
export type Reactions<S extends ServiceIn<C>> = ReactionsIn<C, S>;
export interface ServiceParts<S extends ServiceIn<C>> extends ServicePartsIn<C, S> {}
export type ServiceDefinition<S extends ServiceIn<C>, P extends ServiceParts<S>> = ServiceDefinitionIn<C, S, P>;
