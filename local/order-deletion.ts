// Deletes old orders from all services: order-service says which have ended, and deletes them last, so that the next run
// finishes what one that broke off has left.
import { z } from 'zod';
import type { PerService } from '../services.ts';
import { uuidTimeMs } from '../shared/contract/event-id.ts';
import { orderServiceUrls } from './order-instances.ts';
import { requestService } from './service-request.ts';

const pageSize = 100;
const progressEvery = 10_000;

const Page = z.object({
  orders: z.array(z.object({ orderId: z.string(), status: z.string() })),
  next: z.string().optional(),
});

/** @returns how many were deleted, and the order at which it ended since that has not; undefined: none */
export async function deleteOrders(
  urls: PerService<string>,
  placedBeforeMs: number,
  progress: (deleted: number) => void,
): Promise<{ readonly deleted: number; readonly open: string | undefined }> {
  const instances = (await orderServiceUrls(urls['order-service'])).map(({ url }) => url);
  const placedBefore = new Date(placedBeforeMs).toISOString();
  const everywhere = [urls['payment-service'], urls['inventory-service'], ...instances];
  const remove = async (orderIds: readonly string[]): Promise<void> => {
    for (const url of everywhere)
      await send('POST', `${url}/deletions`, z.object({ deleted: z.int() }), { placedBefore, orderIds });
  };
  // Deletes nothing: each says whether these orders are old enough, before anything is deleted anywhere.
  await remove([]);
  for (let deleted = 0; ; ) {
    // What was deleted is not listed any more: the oldest page is always the first.
    const { orders } = await send('GET', `${urls['order-service']}/orders?limit=${pageSize}`, Page);
    const old = orders.filter(({ orderId }) => uuidTimeMs(orderId) < placedBeforeMs);
    const openAt = old.findIndex(({ status }) => status !== 'confirmed' && status !== 'cancelled');
    const orderIds = (openAt < 0 ? old : old.slice(0, openAt)).map(({ orderId }) => orderId);
    if (orderIds.length > 0) await remove(orderIds);
    const before = deleted;
    deleted += orderIds.length;
    if (Math.floor(deleted / progressEvery) > Math.floor(before / progressEvery)) progress(deleted);
    if (openAt >= 0) return { deleted, open: old[openAt]?.orderId };
    if (orderIds.length < pageSize) return { deleted, open: undefined };
  }
}

async function send<T>(method: 'GET' | 'POST', url: string, answer: z.ZodType<T>, body?: object): Promise<T> {
  return answer.parse(await requestService(method, url, body));
}
