// What became of the orders while services were killed.
import { grouped } from '../measure/figures-as-text.ts';
import type { KillResult } from '../measure/kills.ts';
import { heading, table } from './table.ts';

const columns: Readonly<Record<string, (result: KillResult) => string>> = {
  '': ({ target }) => target,
  kills: ({ kills }) => grouped(kills),
  accepted: ({ accepted }) => grouped(accepted),
  'not accepted': ({ notAccepted }) => grouped(notAccepted),
  confirmed: ({ confirmed }) => grouped(confirmed),
  cancelled: ({ cancelled }) => grouped(cancelled),
  stuck: ({ stuck }) => grouped(stuck),
  lost: ({ lost }) => grouped(lost),
  'charged twice': ({ chargedTwice }) => grouped(chargedTwice),
  'stock taken twice': ({ reservedTwice }) => grouped(reservedTwice),
  's until all ended': ({ stuck, lost, waitedS }) => (stuck + lost === 0 ? waitedS.toFixed(1) : '-'),
};

export function killReport(results: readonly KillResult[]): string {
  const rates = [...new Set(results.map(({ ratePerS }) => `${ratePerS}/s`))].join(', ');
  return [
    heading(`kill -9 under load (${rates}): each service in turn, started again at once`),
    table([Object.keys(columns), ...results.map((result) => Object.values(columns).map((cell) => cell(result)))]),
    'accepted: answered with 202. stuck: neither confirmed nor cancelled. lost: order-service does not know the order.',
  ].join('\n');
}
