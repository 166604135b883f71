// The data of the events that shipping-service publishes. In a project of your own these are lines of
// shared/contract/event-data.ts.
import { z } from 'zod';
import { Name, OrderId } from '../../shared/contract/event-data.ts';

export const ShipmentDispatched = z.object({ orderId: OrderId, userId: Name });
