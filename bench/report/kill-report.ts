// What became of the orders while services were killed.
import { grouped } from '../measure/figures-as-text.ts';
import type { KillResult } from '../measure/kills.ts';
import { heading, table } from './table.ts';

export function killReport(results: readonly KillResult[]): string {
  const [first] = results;
  if (!first) return '';
  return [
    heading(
      `kill -9 under load: ${first.kills} kills, each service in turn and restarted at once, ${first.ratePerS}/s`,
    ),
    table([
      [
        '',
        'accepted',
        'not accepted',
        'confirmed',
        'cancelled',
        'stuck',
        'lost',
        'charged twice',
        'stock twice',
        'waited s',
      ],
      ...results.map((result) => [
        result.target,
        ...[
          result.accepted,
          result.notAccepted,
          result.confirmed,
          result.cancelled,
          result.stuck,
          result.lost,
          result.chargedTwice,
          result.reservedTwice,
        ].map(grouped),
        result.waitedS.toFixed(1),
      ]),
    ]),
    'accepted: answered with 202. stuck: neither confirmed nor cancelled. lost: order-service does not know the order.',
  ].join('\n');
}
