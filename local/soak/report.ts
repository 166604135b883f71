// The result of a soak as Markdown, and whether it has passed.
import { serviceNames } from '../../services.ts';
import { recoveryMs } from './recovery.ts';
import type { SoakResult } from './result.ts';
import { median, quantile } from './statistics.ts';

export interface Setting {
  readonly command: string;
  readonly machine: string;
  readonly broker: string;
  readonly date: string;
}

/** What must not be; empty: it has passed. */
export function failuresOf({ account, strikes }: SoakResult): string[] {
  const { lost, doubled, stuck, unexpected, doubleAnswers, disagreements, otherLetters, attempts, acknowledged } =
    account;
  const lists = {
    lost,
    doubled,
    stuck,
    unexpected,
    disagreements,
    'dead letters that no poison explains': otherLetters,
  };
  const found = Object.entries(lists).flatMap(([what, ids]) =>
    ids.length > 0 ? [`${what}: ${ids.length}, such as ${ids.slice(0, 3).join(', ')}`] : [],
  );
  if (doubleAnswers > 0) found.push(`keys answered with two orders: ${doubleAnswers}`);
  if (attempts > acknowledged) found.push(`never acknowledged: ${attempts - acknowledged}`);
  if (account.unhealed !== undefined) found.push(`not healed: ${account.unhealed}`);
  const failed = strikes.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0)
    found.push(`faults that could not be inflicted: ${failed.map(({ failure }) => failure).join('; ')}`);
  return found;
}

export function reportOf(result: SoakResult, { command, machine, broker, date }: Setting): string {
  const { account, purchases, samples } = result;
  const { attempts, acknowledged, ended, lost, doubled, stuck, unexpected, disagreements, ends } = account;
  const acks = purchases.flatMap(({ ackMs }) => (ackMs === undefined ? [] : [ackMs]));
  const outcomes = purchases.flatMap(({ outcomeMs }) => (outcomeMs === undefined ? [] : [outcomeMs]));
  return [
    `\`${command}\`, ${date}, ${machine}, ${broker}`,
    '',
    '| attempts | acknowledged | ended | lost | doubled | stuck | unexpected | disagreements |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    `| ${[attempts, acknowledged, ended, lost.length, doubled.length + account.doubleAnswers, stuck.length, unexpected.length, disagreements.length].map(number).join(' | ')} |`,
    '',
    `How they ended: ${Object.entries(ends)
      .sort(([, a], [, b]) => b - a)
      .map(([end, count]) => `${number(count)} ${end}`)
      .join(
        ', ',
      )}. Poison messages among the dead letters: ${account.poisonLetters}; others: ${account.otherLetters.length}.`,
    '',
    ...recoveryTable(result),
    '',
    '| | median | p99 | max |',
    '| --- | ---: | ---: | ---: |',
    latencyRow('acknowledged within', acks),
    latencyRow('outcome within, where the customer waited for it', outcomes),
    ...serviceNames.map((service) => {
      const probes = samples.probes.filter((probe) => probe.service === service);
      return latencyRow(
        `\`/livez\` of ${service}`,
        probes.map(({ ms }) => ms ?? Number.POSITIVE_INFINITY),
      );
    }),
    '',
    '| memory | at the start | highest | at the end |',
    '| --- | ---: | ---: | ---: |',
    ...serviceNames.map((service) => {
      const sizes = samples.memory.filter((one) => one.service === service).map(({ mebibytes }) => mebibytes);
      return `| ${service} | ${mebibytes(sizes[0])} | ${mebibytes(Math.max(...sizes))} | ${mebibytes(sizes.at(-1))} |`;
    }),
  ].join('\n');
}

/** From the end of a fault until every order that was wanted before it has ended; and how long everything stood still meanwhile. */
function recoveryTable({ strikes, purchases }: SoakResult): string[] {
  const kinds = [...new Set(strikes.map(({ kind }) => kind))].sort();
  return [
    '| fault | times | recovered within: median | max | longest time in which no order ended: median | max |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...kinds.map((kind) => {
      const some = strikes.filter((strike) => strike.kind === kind);
      const known = some.map((strike) => recoveryMs(strike, purchases) ?? Number.POSITIVE_INFINITY);
      const pauses = some.map(({ longestPauseMs = Number.POSITIVE_INFINITY }) => longestPauseMs);
      const [both, pause] = [known, pauses].map(
        (times) => `${seconds(median(times))} | ${seconds(Math.max(...times))}`,
      );
      return `| ${kind} | ${known.length} | ${both} | ${pause} |`;
    }),
  ];
}

function latencyRow(what: string, values: readonly number[]): string {
  return `| ${what} | ${[0.5, 0.99, 1].map((share) => milliseconds(quantile(values, share))).join(' | ')} |`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(ms: number | undefined): string {
  if (ms === undefined) return '–';
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : 'never';
}

function milliseconds(ms: number | undefined): string {
  if (ms === undefined) return '–';
  return Number.isFinite(ms) ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : 'no answer';
}

function mebibytes(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(0)} MiB`;
}
