// payment-service with moleculer, moleculer-web and @moleculer/channels.
import { openDatabase } from '../shop/database.js';
import { paymentsIn, schema } from '../shop/payments.js';
import { httpService } from './http.js';
import { channelsOf, startNode } from './node.js';

const payments = paymentsIn(openDatabase(schema));

const paymentService = {
  name: 'payments',
  actions: {
    find(context) {
      const payment = payments.find(context.params.orderId);
      if (!payment) context.meta.$statusCode = 404;
      return payment ?? { error: 'unknown order' };
    },
  },
  channels: channelsOf('payment-service', payments.reactions),
};

await startNode('payment-service', [paymentService, httpService({ 'GET /payments/:orderId': 'payments.find' })]);
