// Publishes dead letters to the queue of their service again, and acks each when the broker has it.
import type { ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import { DeadLettersError } from './errors.ts';
import { factsOf, type Letter, type LetterFacts } from './letter.ts';

const confirmedWithinMs = 30_000;
/** AMQP's short strings. */
const propertyBytesMax = 255;

export class Redriver {
  readonly #channel: ConfirmChannel;
  readonly #queue: string;
  #returned = false;

  /** @param queue where the letters go */
  constructor(channel: ConfirmChannel, queue: string) {
    this.#channel = channel;
    this.#queue = queue;
    channel.on('return', () => {
      this.#returned = true;
    });
  }

  /**
   * Confirmed first, acked then: a crash in between leaves a letter in both queues, which the inbox makes good.
   * @param done called for each letter that was redriven
   * @throws DeadLettersError when the broker returns, refuses or does not confirm one; all that is not done stays a dead letter
   */
  async redrive(
    from: DeadLetterQueue,
    letters: readonly ConsumeMessage[],
    done: (facts: LetterFacts) => void,
  ): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let givenUp = false;
    const silence = new Promise<never>((_, reject) => {
      const error = stays(`the broker has confirmed nothing for ${confirmedWithinMs / 1_000} s`);
      timer = setTimeout(() => reject(error), confirmedWithinMs);
    });
    const published = letters.map(async (letter) => {
      await this.#published(letter);
      if (givenUp) return;
      timer?.refresh();
      from.ack(letter);
      done(factsOf(letter));
    });
    try {
      // All are waited for, also after one failed: the others may have been confirmed.
      const outcomes = await Promise.race([Promise.allSettled(published), silence]);
      const failed = outcomes.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    } finally {
      givenUp = true;
      clearTimeout(timer);
    }
  }

  #published(letter: Letter): Promise<void> {
    return new Promise((resolve, reject) => {
      const options = { ...originalProperties(letter), mandatory: true };
      this.#channel.publish('', this.#queue, letter.content, options, (error: unknown) => {
        // What cannot be routed is returned, and then confirmed all the same.
        if (this.#returned) reject(stays(`the queue '${this.#queue}' does not exist`));
        else if (error) reject(stays(`the broker does not take messages for the queue '${this.#queue}'`));
        else resolve();
      });
    });
  }
}

function stays(why: string): DeadLettersError {
  return new DeadLettersError(`${why}; what was not redriven stays a dead letter`);
}

/** The properties it had when it was published first, as far as they are known. */
export function originalProperties(letter: Letter): Options.Publish {
  const { contentType, messageId, correlationId, headers = {} } = letter.properties;
  const { type, subject } = factsOf(letter);
  const wanted = {
    contentType: headers['x-original-content-type'] || contentType,
    messageId: headers['x-original-message-id'] || messageId,
    type: type ?? (headers['x-cause'] === undefined ? letter.properties.type : undefined),
    correlationId: correlationId ?? subject,
  };
  // A service may have decoded one that was not UTF-8, and so made it longer than it may be: then it goes without.
  const fitting = Object.entries(wanted).filter(
    ([, value]) => value !== undefined && Buffer.byteLength(String(value)) <= propertyBytesMax,
  );
  return { persistent: true, ...Object.fromEntries(fitting.map(([name, value]) => [name, String(value)])) };
}
