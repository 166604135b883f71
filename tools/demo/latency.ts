// How long one saga takes when it has the system to itself: from the POST to the answer that says confirmed.
import { DemoError } from './answers.ts';
import type { Shop } from './shop.ts';

/** Not counted: code that is compiled, connections that are opened. */
const warmUp = 30;
const waitS = 10;

export interface Measure {
  readonly userId: string;
  readonly productId: string;
  readonly sagas: number;
}

/** @returns one line for people */
export async function measureSagas(shop: Shop, { userId, productId, sagas }: Measure): Promise<string> {
  const elapsedMs: number[] = [];
  for (let index = -warmUp; index < sagas; index += 1) {
    const { order, answer } = await shop.place({ userId, items: [{ productId, qty: 1 }] }, { waitS, quiet: true });
    if (order.status !== 'confirmed') {
      throw new DemoError(
        `an order that should have been confirmed is ${order.status}: ${shop.timelineCurl(order.orderId)}`,
      );
    }
    if (index >= 0) elapsedMs.push(answer.elapsedMs);
  }
  elapsedMs.sort((a, b) => a - b);
  const at = (share: number) => (elapsedMs[Math.ceil(share * elapsedMs.length) - 1] ?? 0).toFixed(1);
  return `One saga alone, from POST to confirmed, ${sagas} times: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
