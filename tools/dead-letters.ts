// Shows the dead-letter queues, and puts messages back into the queue of their service once what was wrong is mended.
// Putting back is safe at any time and any number of times: the inbox recognises what had taken effect.
import { parseArgs } from 'node:util';
import { type ConfirmChannel, connect, type GetMessage } from 'amqplib';
import { printable } from '../local/printable.ts';
import { isUsageError, UsageError } from '../local/usage-error.ts';
import { choreography } from '../shared/contract/choreography.ts';
import { servicesOf } from '../shared/contract/language.ts';
import { deadLetterQueueOf, queueOf } from '../shared/contract/topology.ts';
import { eventOf, linesOf, reasonOf } from './dead-letters/letter-text.ts';

const usage = `Usage: npm run dead-letters -- list [SERVICE]
       npm run dead-letters -- redrive SERVICE [--reason REASON]

  list      shows the dead letters of a service, or of all, and leaves them where they are
  redrive   puts the dead letters of a service back into its queue; with --reason only those with that reason

The broker is the one that AMQP_URL names (default: amqp://localhost:5672; npm start prints its own).`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { reason: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return console.log(usage);
  const [command, service] = positionals;
  const services = servicesOf(choreography);
  if (service !== undefined && !services.includes(service)) {
    throw new UsageError(`there is no service '${service}'; there are ${services.join(', ')}`);
  }
  if (command === 'list') return withBroker((channel) => list(channel, service ? [service] : services));
  if (command === 'redrive' && service) return withBroker((channel) => redrive(channel, service, values.reason));
  throw new UsageError(
    command === 'redrive' ? 'redrive needs the name of a service' : 'the first word must be list or redrive',
  );
}

async function withBroker(use: (channel: ConfirmChannel) => Promise<void>): Promise<void> {
  const connection = await connect(process.env['AMQP_URL'] || 'amqp://localhost:5672', {
    timeout: 10_000,
    noDelay: true,
  });
  try {
    const channel = await connection.createConfirmChannel();
    await use(channel);
    // Closed by itself first: amqplib would drop acks that it has not sent yet.
    await channel.close();
  } finally {
    // What was read and not acked goes back to its queue.
    await connection.close();
  }
}

async function list(channel: ConfirmChannel, services: readonly string[]): Promise<void> {
  for (const service of services) {
    const letters = await take(channel, service);
    console.log(`${service}: ${letters.length} dead letters`);
    for (const letter of letters) {
      for (const line of linesOf(letter)) console.log(`  ${line}`);
    }
  }
}

async function redrive(channel: ConfirmChannel, service: string, reason: string | undefined): Promise<void> {
  const letters = (await take(channel, service)).filter(
    (letter) => reason === undefined || reasonOf(letter) === reason,
  );
  let returned = false;
  channel.on('return', () => {
    returned = true;
  });
  for (const letter of letters) {
    channel.publish('', queueOf(service), letter.content, { ...originalProperties(letter), mandatory: true });
    // Confirmed first, acked then: a crash in between leaves it in both, which the inbox makes good.
    await channel.waitForConfirms();
    if (returned) throw new Error(`the queue '${queueOf(service)}' does not exist; the rest stays a dead letter`);
    channel.ack(letter);
    console.log(`put back: ${printable(`${reasonOf(letter)}  ${eventOf(letter)}`)}`);
  }
  console.log(`${letters.length} messages put back into the queue of ${service}`);
}

/** The properties it had when it was published first, as far as its headers keep them. */
function originalProperties({ properties }: GetMessage) {
  const { contentType, messageId, type, correlationId, headers = {} } = properties;
  return {
    persistent: true,
    contentType: String(headers['x-original-content-type'] || contentType || ''),
    messageId: String(headers['x-original-message-id'] || messageId || ''),
    type,
    correlationId,
  };
}

/** Everything that is in the queue now. It stays the queue's until it is acked. */
async function take(channel: ConfirmChannel, service: string): Promise<GetMessage[]> {
  const letters: GetMessage[] = [];
  for (;;) {
    const letter = await channel.get(deadLetterQueueOf(service));
    if (!letter) return letters;
    letters.push(letter);
  }
}

main().catch((error: unknown) => {
  const misused = isUsageError(error);
  const message = error instanceof Error ? error.message || (error as { code?: string }).code : String(error);
  console.error(
    misused
      ? `${message}\n\n${usage}`
      : `The dead letters cannot be read: ${printable(String(message))}. Is AMQP_URL right, and has the service been started once?`,
  );
  process.exitCode = misused ? 2 : 1;
});
