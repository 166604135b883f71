// The routes of shipping-service. The OpenAPI document follows from them; the runtime adds health and /openapi.json.
import { z } from 'zod';
import { Name, OrderId } from '../../../shared/contract/event-data.ts';
import { isoTime } from '../../../shared/runtime/environment/clock.ts';
import { ProblemError } from '../../../shared/runtime/http/problem.ts';
import { type Route, route } from '../../../shared/runtime/http/route.ts';
import type { ServiceNode } from '../../../shared/runtime/node/service-node.ts';
import type { ShippingParts } from './service.ts';

const ShipmentView = z.object({ orderId: OrderId, userId: Name, dispatchedAt: z.iso.datetime() });

export function shippingRoutes({ parts: { store } }: ServiceNode<ShippingParts>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/shipments/:orderId',
      operationId: 'getShipment',
      summary: 'The shipment of an order',
      params: z.object({ orderId: OrderId }),
      answers: { 200: { description: 'The shipment.', schema: ShipmentView } },
      problems: { 404: 'Nothing has been shipped for this order.' },
      handle: ({ params: { orderId } }) => {
        const shipment = store.shipment(orderId);
        if (!shipment)
          throw new ProblemError(404, 'no-such-shipment', `nothing has been shipped for order ${orderId}`, { orderId });
        const { userId, dispatchedAtMs } = shipment;
        return { status: 200, body: { orderId, userId, dispatchedAt: isoTime(dispatchedAtMs) } };
      },
    }),
  ];
}
