// inventory-service with express and amqplib.
import express from 'express';
import { openDatabase } from '../shop/database.js';
import { schema, stockIn } from '../shop/stock.js';
import { startBus } from './bus.js';
import { listen } from './listen.js';

const stock = stockIn(openDatabase(schema));
await startBus('inventory-service', stock.reactions);

const app = express();
app.get('/reservations/:orderId', (request, response) => {
  response.json(stock.find(request.params.orderId));
});

listen(app);
