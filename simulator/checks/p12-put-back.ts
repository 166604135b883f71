// P12, a database that was put back is noticed by both sides, and nobody pays twice for what is done again.
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

export function* putBackIsNoticed(
  { putBacks, putBackReports, lost }: Evidence,
  { byId }: OrderRecords,
): Generator<Finding> {
  for (const { service, atMs, ahead } of putBacks) {
    const reportedBy = (name: string) =>
      putBackReports.some((report) => report.by === name && report.publisher === service && report.atMs >= atMs);
    if (ahead.length > 0 && !reportedBy(service)) {
      yield { subject: '', text: `${service} was put back, and has not reported it` };
    }
    for (const consumer of ahead) {
      if (!reportedBy(consumer))
        yield { subject: '', text: `${service} was put back, and ${consumer} has not reported it` };
    }
  }
  for (const subject of lost) {
    const charges = byId.get(subject)?.ledger.filter(({ kind }) => kind === 'charge') ?? [];
    if (charges.length > 1)
      yield { subject, text: `was charged ${charges.length} times after a database was put back` };
  }
}
