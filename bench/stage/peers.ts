// The peers in bench/peers: where their files are, and what their databases are filled with. They are plain JavaScript with
// packages of their own, and are not compiled.
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { Peer } from '../load/load.ts';
import { productName, type Shop, soldOut, unitPrice, userName } from '../load/shop.ts';
import { balance, stock } from './supplies.ts';

/** From the compiled file of this module. */
export const peersFolder = new URL('../../../bench/peers/', import.meta.url);
export const peerFillFile = new URL('fill.js', peersFolder);

/** A main file, from dist/. */
export function peerMain(peer: Peer, service: ServiceName): string {
  return `../bench/peers/${peer}/${service}.js`;
}

/** First message of the process that fills a peer's database: the same shop as that of the services. */
export function peerFill(service: ServiceName, databasePath: string, shop: Shop) {
  return {
    service,
    databasePath,
    products: [
      ...Array.from({ length: shop.products }, (_, index) => ({
        productId: productName(index),
        unitPrice,
        stock: stock * shop.lines,
      })),
      { productId: soldOut, unitPrice, stock: 0 },
    ],
    accounts: Array.from({ length: shop.accounts }, (_, index) => ({ userId: userName(index), balance })),
  };
}
