// payment-service with express and amqplib.
import express from 'express';
import { openDatabase } from '../shop/database.js';
import { paymentsIn, schema } from '../shop/payments.js';
import { startBus } from './bus.js';
import { listen } from './listen.js';

const payments = paymentsIn(openDatabase(schema));
await startBus('payment-service', payments.reactions);

const app = express();
app.get('/payments/:orderId', (request, response) => {
  const payment = payments.find(request.params.orderId);
  if (payment) response.json(payment);
  else response.status(404).json({ error: 'unknown order' });
});

listen(app);
