// `npm run dead-letters`: shows the dead-letter queues, and redrives or discards what is in them.
// Redriving is safe at any time and any number of times: the inbox recognises what had taken effect.
import { setTimeout as delay } from 'node:timers/promises';
import { type ChannelModel, connect } from 'amqplib';
import { findBroker } from '../local/find-broker.ts';
import { StartError } from '../local/ports.ts';
import { printable, printableLines } from '../local/printable.ts';
import { StopRequest, stopRequests } from '../local/stop-request.ts';
import { isUsageError } from '../local/usage-error.ts';
import { choreography } from '../shared/contract/choreography.ts';
import { servicesOf } from '../shared/contract/language.ts';
import { type Command, commandFrom } from './dead-letters/arguments.ts';
import { type Desk, discard, list, redrive, show } from './dead-letters/commands.ts';
import { DeadLettersError } from './dead-letters/errors.ts';
import { progressOn } from './dead-letters/progress.ts';

const usage = `Usage: npm run dead-letters -- list [SERVICE] [filters] [--limit N] [--json]
       npm run dead-letters -- show SERVICE ID [--json]
       npm run dead-letters -- redrive SERVICE [filters] [--limit N]
       npm run dead-letters -- discard SERVICE [filters] [--limit N] [--to FILE] --yes

  list      counts the dead letters of a service, or of all, by reason and event type; with --limit shows single ones
  show      prints a letter whole; ID is the letter's, as list --limit shows it, or its event's
  redrive   publishes dead letters to the queue of their service again
  discard   writes dead letters to a file and then deletes them from the queue; without --yes only counts them

  --reason REASON       only those with that reason
  --type TYPE           only those whose event has that type
  --subject SUBJECT     only those about that subject: an order's id
  --since TIME          only those dead-lettered since then: 90s, 30m, 2h, 7d, 2026-11-21 or 2026-11-21T15:04:05Z
  --limit N             at most the oldest N that match
  --json                one JSON object a line
  --to FILE             the file for what is discarded, which must be new; JSON lines
  --compose             the broker of docker-compose.yml
  --help                this text

The broker is the one that AMQP_URL names, else the one that npm start uses with DATA_DIR (./data), else
amqp://localhost:5672. What is not redriven or discarded stays in the queue, in its place.

Exit code: 0 done, 1 not done, 2 the command line is wrong, 130 stopped by Ctrl-C.`;

const exitCodes = { done: 0, notDone: 1, usage: 2, stopped: 130 };
const closedWithinMs = 5_000;

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(): Promise<number> {
  const command = commandFrom(process.argv.slice(2), servicesOf(choreography), Date.now());
  if (!command) {
    print(usage);
    return exitCodes.done;
  }
  const { signal } = stopRequests(() => process.exit(exitCodes.stopped));
  const broker = await findBroker(command.compose, process.env);
  note(`Broker: ${printable(broker.description)}`);
  const connection = await connect(broker.url, { timeout: 10_000, noDelay: true });
  // Whatever is under way is rejected as well.
  connection.on('error', () => {});
  connection.on('blocked', () => note('The broker is short of memory or disk, and takes nothing now.'));
  try {
    return await run(command, connection, signal);
  } finally {
    // A blocked broker does not read that we want to close.
    await Promise.race([connection.close().catch(() => {}), delay(closedWithinMs, undefined, { ref: false })]);
  }
}

async function run(command: Command, connection: ChannelModel, signal: AbortSignal): Promise<number> {
  const deskOf = (service: string): Desk => ({
    connection,
    service,
    print,
    progress: progressOn(process.stderr),
    signal,
  });
  if (command.name === 'list') {
    for (const service of command.services) await list(deskOf(service), command, command.json);
    return exitCodes.done;
  }
  const desk = deskOf(command.service);
  if (command.name === 'show') await show(desk, command.letterId, command.json);
  else if (command.name === 'redrive') await redrive(desk, command);
  else {
    const file =
      command.to ?? `${command.service}.dead-letters.${new Date().toISOString().replaceAll(/[:.]/g, '-')}.jsonl`;
    if (!(await discard(desk, command, command.yes, file))) return exitCodes.notDone;
  }
  return exitCodes.done;
}

function failed(error: unknown): number {
  if (error instanceof StopRequest) {
    note('Stopped. All other letters are back in their places.');
    return exitCodes.stopped;
  }
  const message = error instanceof Error ? error.message || (error as { code?: string }).code : String(error);
  if (isUsageError(error)) {
    note(`${printableLines(String(message))}\n\n${usage}`);
    return exitCodes.usage;
  }
  const expected = error instanceof DeadLettersError || error instanceof StartError;
  note(
    expected
      ? printableLines(`Not done: ${message}`)
      : `Not done: ${printable(String(message))}. Is this the right broker, and does it run? What was not acked is back in its queue.`,
  );
  return exitCodes.notDone;
}

const exitCode = await main().catch(failed);
// A connection that could not be closed does not keep the process; what was written is written first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
