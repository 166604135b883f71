// The command line of `npm run dead-letters`: what is to be done, with which letters, on which broker.
import { parseArgs } from 'node:util';
import { UsageError } from '../../local/usage-error.ts';
import { serviceOf } from '../../shared/contract/members.ts';
import { type LetterFilter, sinceFrom } from './filter.ts';

interface Common {
  /** The broker of docker-compose.yml. */
  readonly compose: boolean;
}

export type Command = Common &
  (
    | {
        readonly name: 'list';
        readonly services: readonly string[];
        readonly filter: LetterFilter;
        /** Set: single letters are listed, at most that many. Otherwise they are counted. */
        readonly limit: number | undefined;
        readonly json: boolean;
      }
    | { readonly name: 'show'; readonly service: string; readonly letterId: string; readonly json: boolean }
    | {
        readonly name: 'redrive';
        readonly service: string;
        readonly filter: LetterFilter;
        readonly limit: number | undefined;
      }
    | {
        readonly name: 'discard';
        readonly service: string;
        readonly filter: LetterFilter;
        readonly limit: number | undefined;
        readonly yes: boolean;
        /** The file that keeps what is discarded; undefined: one is named after the service and the time. */
        readonly to: string | undefined;
      }
  );

const filterOptions = ['reason', 'type', 'subject', 'since', 'limit'] as const;
const allowed: Readonly<Record<Command['name'], readonly string[]>> = {
  list: [...filterOptions, 'json'],
  show: ['json'],
  redrive: filterOptions,
  discard: [...filterOptions, 'yes', 'to'],
};

/**
 * @returns undefined: help was asked for
 * @throws UsageError, or what parseArgs throws
 */
export function commandFrom(args: readonly string[], services: readonly string[], nowMs: number): Command | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      reason: { type: 'string' },
      type: { type: 'string' },
      subject: { type: 'string' },
      since: { type: 'string' },
      limit: { type: 'string' },
      json: { type: 'boolean' },
      yes: { type: 'boolean' },
      to: { type: 'string' },
      compose: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [word, ...rest] = positionals;
  const name = commandNamed(word);
  checkOptions(name, Object.keys(values));
  const compose = values.compose ?? false;
  const json = values.json ?? false;
  const { reason, type, subject, since } = values;
  const filter: LetterFilter = {
    reason,
    type,
    subject,
    sinceMs: since === undefined ? undefined : sinceFrom(since, nowMs),
  };
  const limit = values.limit === undefined ? undefined : limitFrom(values.limit);
  const [first, second] = wordsOf(name, rest);
  if (first !== undefined && !services.includes(serviceOf(first))) {
    throw new UsageError(`there is no service '${first}'; there are ${services.join(', ')}`);
  }
  if (name === 'list') return { name, compose, services: first ? [first] : services, filter, limit, json };
  if (first === undefined) throw new UsageError(`${name} needs the name of a service: ${services.join(', ')}`);
  if (name === 'redrive') return { name, compose, service: first, filter, limit };
  if (name === 'discard') {
    return { name, compose, service: first, filter, limit, yes: values.yes ?? false, to: values.to };
  }
  if (second === undefined) throw new UsageError('show needs the id of a letter; list --limit 20 shows ids');
  return { name, compose, service: first, letterId: second, json };
}

function commandNamed(word: string | undefined): Command['name'] {
  if (word === 'list' || word === 'show' || word === 'redrive' || word === 'discard') return word;
  throw new UsageError('the first word must be list, show, redrive or discard');
}

function checkOptions(name: Command['name'], given: readonly string[]): void {
  const wrong = given.find((option) => option !== 'compose' && !allowed[name].includes(option));
  if (wrong !== undefined) throw new UsageError(`${name} does not know --${wrong}`);
}

function wordsOf(name: Command['name'], words: readonly string[]): readonly string[] {
  const max = name === 'show' ? 2 : 1;
  if (words.length > max) throw new UsageError(`what is '${words.slice(max).join(' ')}'?`);
  return words;
}

function limitFrom(text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new UsageError(`--limit ${text} is wrong: it must be a whole number from 1 to 999999999`);
}
