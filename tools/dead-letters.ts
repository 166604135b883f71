// Looks into the dead-letter queues, and puts messages back into the queue of their service once the cause is mended.
// Putting back is safe at any time and any number of times: the inbox recognises what had taken effect.
import { parseArgs } from 'node:util';
import { type ConfirmChannel, connect, type GetMessage } from 'amqplib';
import { choreography } from '../shared/contract/choreography.ts';
import { servicesOf } from '../shared/contract/language.ts';
import { deadLetterQueueOf, queueOf } from '../shared/contract/topology.ts';

const usage = `Usage: npm run dead-letters -- list [SERVICE]
       npm run dead-letters -- redrive SERVICE [--cause CAUSE]

  list      shows the dead letters of a service, or of all, and leaves them where they are
  redrive   puts the dead letters of a service back into its queue; with --cause only those with that cause

The broker is the one that AMQP_URL names (default: amqp://localhost:5672; npm start prints its own).`;

class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { cause: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return console.log(usage);
  const [command, service] = positionals;
  const services = servicesOf(choreography);
  if (service !== undefined && !services.includes(service)) {
    throw new UsageError(`there is no service '${service}'; there are ${services.join(', ')}`);
  }
  if (command === 'list') return withBroker((channel) => list(channel, service ? [service] : services));
  if (command === 'redrive' && service) return withBroker((channel) => redrive(channel, service, values.cause));
  throw new UsageError(command === 'redrive' ? 'redrive needs the name of a service' : 'say list or redrive');
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
    // What was looked at and not acked goes back to its queue.
    await connection.close();
  }
}

async function list(channel: ConfirmChannel, services: readonly string[]): Promise<void> {
  for (const service of services) {
    const letters = await take(channel, service);
    console.log(`${service}: ${letters.length} dead letters`);
    for (const letter of letters) {
      const { headers = {} } = letter.properties;
      console.log(`  ${String(headers['x-dead-lettered-at'] ?? '')}  ${causeOf(letter)}  ${eventOf(letter)}`);
      if (headers['x-detail']) console.log(`      ${String(headers['x-detail'])}`);
    }
  }
}

async function redrive(channel: ConfirmChannel, service: string, cause: string | undefined): Promise<void> {
  const letters = (await take(channel, service)).filter((letter) => cause === undefined || causeOf(letter) === cause);
  for (const letter of letters) {
    const { contentType, messageId, type, correlationId, headers = {} } = letter.properties;
    const id = String(headers['x-original-message-id'] || messageId || '');
    channel.publish('', queueOf(service), letter.content, {
      persistent: true,
      mandatory: true,
      contentType,
      messageId: id,
      type,
      correlationId,
    });
    // Confirmed first, acked then: a crash in between leaves it in both, which the inbox makes good.
    await channel.waitForConfirms();
    channel.ack(letter);
    console.log(`put back: ${causeOf(letter)}  ${eventOf(letter)}`);
  }
  console.log(`${letters.length} messages put back into the queue of ${service}`);
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

/** Our own cause; or the broker's, for a message that was delivered too often without an ack. */
function causeOf({ properties: { headers = {} } }: GetMessage): string {
  return String(headers['x-cause'] ?? headers['x-first-death-reason'] ?? 'unknown');
}

function eventOf({ content, properties }: GetMessage): string {
  try {
    const event = JSON.parse(content.toString()) as { type?: unknown; id?: unknown; subject?: unknown };
    return `${String(event.type)} ${String(event.id)} about ${String(event.subject)}`;
  } catch {
    return `${content.length} bytes, ${String(properties.contentType ?? 'no content type')}`;
  }
}

main().catch((error: unknown) => {
  const misused = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  const message = error instanceof Error ? error.message || (error as { code?: string }).code : String(error);
  console.error(
    misused
      ? `${message}\n\n${usage}`
      : `the dead letters can not be reached: ${message}; is AMQP_URL right, and has the service been started once?`,
  );
  process.exitCode = misused ? 2 : 1;
});
