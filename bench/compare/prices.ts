// How soon a change at inventory-service counts for orders: its staff changes a price or adds a product, and orders it at once.
import { setTimeout as delay } from 'node:timers/promises';
import { call } from './http.ts';
import { prober, type Stand } from './stand.ts';
import type { Tally } from './tally.ts';

const everyMs = 5;
const waitMsMax = 2_000;

/** Until the signal is aborted; counts only while everything runs. */
export async function probePrices(stand: Stand, tally: Tally, signal: AbortSignal): Promise<void> {
  await putProduct(stand, 'PRICED', 100);
  for (let turn = 1; !signal.aborted; turn += 1) {
    if (tally.phase === 'whole') {
      await changePrice(stand, tally, 100 + turn);
      if (tally.phase === 'whole') await addProduct(stand, tally, `NEW-${turn}`);
    }
    await delay(everyMs);
  }
}

async function changePrice(stand: Stand, tally: Tally, unitPrice: number): Promise<void> {
  if (!(await putProduct(stand, 'PRICED', unitPrice))) return;
  const beganMs = performance.now();
  let outdated = false;
  while (performance.now() - beganMs < waitMsMax && tally.phase === 'whole') {
    const askedMs = performance.now();
    const status = await order(stand, 'PRICED', unitPrice);
    if (status === 202) {
      tally.prices.changed += 1;
      if (outdated) tally.prices.outdated += 1;
      // The price counted when the request came that was accepted.
      tally.priceMs.record(askedMs - beganMs);
      return;
    }
    outdated ||= status === 409 || status === 422;
    await delay(1);
  }
}

async function addProduct(stand: Stand, tally: Tally, productId: string): Promise<void> {
  if (!(await putProduct(stand, productId, 10))) return;
  const status = await order(stand, productId, 10);
  if (status !== 202 && status !== 422) return;
  tally.newcomers.ordered += 1;
  if (status === 422) tally.newcomers.refused += 1;
}

async function order(stand: Stand, productId: string, unitPrice: number): Promise<number> {
  // Not through the gateway: what is looked for takes a millisecond.
  const url = `${stand.url('order-service')}/${prober}/orders`;
  return (await call('POST', url, { productId, qty: 1, unitPrice })).status;
}

async function putProduct(stand: Stand, productId: string, unitPrice: number): Promise<boolean> {
  const product = { name: productId, unitPrice, stock: 1_000_000 };
  const { status } = await call('PUT', `${stand.url('inventory-service')}/products/${productId}`, product);
  return status < 300 && status > 0;
}
