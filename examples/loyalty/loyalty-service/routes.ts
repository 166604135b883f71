// The routes of loyalty-service: the points of a user.
import { z } from 'zod';
import { Name } from '../../../shared/contract/event-data.ts';
import { type Route, route } from '../../../shared/runtime/http/route.ts';
import type { ServiceNode } from '../../../shared/runtime/node/service-node.ts';
import { Points } from '../event-data.ts';
import type { LoyaltyParts } from './service.ts';

const PointsView = z.object({ userId: Name, points: Points });

export function loyaltyRoutes({ parts: { store } }: ServiceNode<LoyaltyParts>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/points/:userId',
      operationId: 'getPoints',
      summary: 'The points of a user',
      params: z.object({ userId: Name }),
      answers: { 200: { description: 'The points.', schema: PointsView } },
      handle: ({ params: { userId } }) => ({ status: 200, body: { userId, points: store.pointsOf(userId) } }),
    }),
  ];
}
