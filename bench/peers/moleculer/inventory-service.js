// inventory-service with moleculer, moleculer-web and @moleculer/channels.
import { openDatabase } from '../shop/database.js';
import { schema, stockIn } from '../shop/stock.js';
import { httpService } from './http.js';
import { channelsOf, startNode } from './node.js';

const stock = stockIn(openDatabase(schema));

const inventoryService = {
  name: 'stock',
  actions: {
    find: (context) => stock.find(context.params.orderId),
  },
  channels: channelsOf('inventory-service', stock.reactions),
};

await startNode('inventory-service', [inventoryService, httpService({ 'GET /reservations/:orderId': 'stock.find' })]);
