// The scenes of the demo, in their order. Each announces what will happen, lets it happen, and compares.
import { measureSagas } from '../latency.ts';
import { checkTotals } from '../totals.ts';
import { playConfirmedOrder } from './confirmed-order.ts';
import { playKilledService } from './killed-service.ts';
import { playRecovery } from './recovery.ts';
import { playRefusedPayment } from './refused-payment.ts';
import { playRefusedStock } from './refused-stock.ts';
import type { Stage } from './stage.ts';
import { bringSupplies } from './supplies.ts';
import { playWithdrawnOrders } from './withdrawn-orders.ts';

const sagasMeasured = 200;

/** @returns the last line: how long one saga takes */
export async function playAll(stage: Stage): Promise<string> {
  const supplies = await bringSupplies(stage);
  await playConfirmedOrder(stage, supplies);
  await playRefusedPayment(stage, supplies);
  await playRefusedStock(stage, supplies);
  const interrupted = await playKilledService(stage, supplies);
  const withdrawn = await playWithdrawnOrders(stage, supplies);
  await playRecovery(stage, supplies, interrupted, withdrawn);
  const { erin, cup } = supplies;
  const measure = { userId: erin.userId, productId: cup.productId, sagas: sagasMeasured };
  const measured = await measureSagas(stage.shop, measure);
  stage.report.scene(
    'The totals',
    'Three databases that share no transaction. When all is quiet they must agree: confirmed = charged = reserved.',
  );
  await checkTotals(stage.shop, stage.report);
  return measured;
}
