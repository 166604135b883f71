// Shows and redrives dead letters, with the library behind `npm run dead-letters`. It reads a queue only when somebody
// asks: each reading takes the letters out and puts them back.
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { queueOf } from '../../shared/contract/topology.ts';
import { addressesIn } from '../../shared/runtime/environment/broker-addresses.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { DeadLetterQueue } from '../../tools/dead-letters/dead-letter-queue.ts';
import { factsOf, isCalled } from '../../tools/dead-letters/letter.ts';
import { Redriver } from '../../tools/dead-letters/redrive.ts';
import type { DeadLetterList, DeadLetterView } from '../model/messages.ts';

const shownMax = 100;
const bodyCharsMax = 4_000;
const timeoutMs = 20_000;

export class DeadLetterDesk {
  readonly #addresses: readonly string[];
  readonly #services: readonly string[];
  /** One reading at a time: a queue admits no other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(amqpUrl: string, services: readonly string[]) {
    this.#addresses = addressesIn(amqpUrl);
    this.#services = services;
  }

  /** The oldest letters of each service. */
  list(): Promise<DeadLetterList> {
    return this.#inTurn(async (connection) => {
      const letters: DeadLetterView[] = [];
      const counts: { service: string; count: number }[] = [];
      const errors: string[] = [];
      for (const service of this.#services) {
        try {
          await withQueue(connection, service, async (queue, signal) => {
            counts.push({ service, count: queue.count });
            for await (const page of queue.pages(shownMax, signal)) {
              const left = shownMax - letters.filter((letter) => letter.service === service).length;
              letters.push(...page.slice(0, left).map((letter) => viewOf(service, letter)));
              if (page.length >= left) return;
            }
          });
        } catch (error) {
          errors.push(`${service}: ${error instanceof Error ? error.message : error}`);
        }
      }
      return { letters, counts, errors };
    });
  }

  /** @param letterId undefined: all of them */
  redrive(service: string, letterId: string | undefined): Promise<{ readonly redriven: number }> {
    if (!this.#services.includes(service)) throw new ProblemError(404, 'no-such-service', 'there is no such service');
    return this.#inTurn(async (connection) => {
      let redriven = 0;
      await withQueue(connection, service, async (queue, signal) => {
        const channel = await connection.createConfirmChannel();
        channel.on('error', () => {});
        const redriver = new Redriver(channel, queueOf(service));
        for await (const page of queue.pages(undefined, signal)) {
          const chosen = page.filter((letter) => letterId === undefined || isCalled(letterId, factsOf(letter)));
          await redriver.redrive(queue, chosen, () => {
            redriven += 1;
          });
          if (letterId !== undefined && redriven > 0) break;
        }
        await channel.close();
      });
      return { redriven };
    });
  }

  #inTurn<T>(use: (connection: ChannelModel) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      const connection = await connectToOne(this.#addresses);
      connection.on('error', () => {});
      try {
        return await use(connection);
      } finally {
        await connection.close().catch(() => {});
      }
    });
    this.#turn = mine.catch(() => {});
    return mine;
  }
}

/** The first node of the broker that answers. */
async function connectToOne(addresses: readonly string[]): Promise<ChannelModel> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await connect(address, { timeout: 5_000, noDelay: true });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function withQueue(
  connection: ChannelModel,
  service: string,
  use: (queue: DeadLetterQueue, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const queue = await DeadLetterQueue.open(connection, service);
  try {
    await use(queue, AbortSignal.timeout(timeoutMs));
  } finally {
    await queue.close().catch(() => {});
  }
}

function viewOf(service: string, letter: ConsumeMessage): DeadLetterView {
  const { letterId, reason, detail, type, subject, deadLetteredAt, bytes } = factsOf(letter);
  return {
    service,
    letterId,
    reason,
    ...(detail === undefined ? {} : { detail }),
    ...(type === undefined ? {} : { type }),
    ...(subject === undefined ? {} : { subject }),
    ...(deadLetteredAt === undefined ? {} : { at: deadLetteredAt }),
    bytes,
    body: textOf(letter.content),
  };
}

/** JSON is laid out; anything else is shown as it is. */
function textOf(content: Buffer): string {
  const text = content.subarray(0, bodyCharsMax * 4).toString();
  try {
    return JSON.stringify(JSON.parse(text), null, 2).slice(0, bodyCharsMax);
  } catch {
    return text.slice(0, bodyCharsMax);
  }
}
