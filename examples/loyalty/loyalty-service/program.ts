// loyalty-service with its HTTP interface, ready to be run as a process.
import type { ServiceProgram } from '../../../shared/runtime/process/service-program.ts';
import { loyaltyRoutes } from './routes.ts';
import { type LoyaltyParts, loyaltyService } from './service.ts';

export const loyaltyProgram: ServiceProgram<LoyaltyParts> = {
  definition: loyaltyService,
  description: 'Credits points for paid orders.',
  routes: loyaltyRoutes,
};
