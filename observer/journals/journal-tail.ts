// The live tail of one journal: from the recent past on, resumed where it was after every interruption.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Log } from '../../shared/runtime/environment/log.ts';
import { readEventStream } from './event-stream-client.ts';

const retryDelayMsMin = 250;
const retryDelayMsMax = 5_000;
const headTimeoutMs = 5_000;

const Head = z.object({ journalId: z.string(), head: z.int(), oldest: z.int() });
export type Head = z.output<typeof Head>;

export interface JournalTailOptions {
  readonly url: string;
  /** Where it begins the first time: so many events before the end. */
  readonly recentEvents: number;
  /**
   * @param text the event as JSON
   * @param live whether it was published after the tail was opened
   */
  readonly onEvent: (type: string, text: string, live: boolean) => void;
  /** Called when everything that was there when the tail was opened has been read. */
  readonly onCaughtUp: () => void;
  /** Whether another tail reads the journal with that id already. */
  readonly isShared: (journalId: string) => boolean;
  readonly log: Log;
}

export type TailState = 'connecting' | 'reading' | 'unreachable' | 'shared';

export class JournalTail {
  readonly #options: JournalTailOptions;
  readonly #stopping = new AbortController();
  #state: TailState = 'connecting';
  #journalId: string | undefined;
  /** Of the last event that was read. */
  #position: number | undefined;
  #run: Promise<void> | undefined;

  constructor(options: JournalTailOptions) {
    this.#options = options;
  }

  get state(): TailState {
    return this.#state;
  }

  /** The journal that it reads now. */
  get journalId(): string | undefined {
    return this.#state === 'reading' ? this.#journalId : undefined;
  }

  start(): void {
    this.#run ??= this.#readForever();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#run;
  }

  async #readForever(): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        if (await this.#open()) tries = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#state !== 'unreachable')
          this.#options.log.info({ url: this.#options.url, error: String(error) }, 'a journal cannot be read now');
        this.#state = 'unreachable';
      }
      const delayMs = Math.min(retryDelayMsMin * 2 ** Math.min(tries, 10), retryDelayMsMax);
      await delay(this.#state === 'shared' ? retryDelayMsMax : delayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Reads until the stream ends. @returns whether anything came */
  async #open(): Promise<boolean> {
    const { url, recentEvents, onEvent, onCaughtUp, isShared } = this.#options;
    const { signal } = this.#stopping;
    const { journalId, head, oldest } = await this.#head();
    if (isShared(journalId)) {
      this.#state = 'shared';
      return false;
    }
    // Another journal, or one that was put back: what was read of it says nothing of where to go on.
    if (journalId !== this.#journalId || (this.#position ?? 0) > head) this.#position = undefined;
    this.#journalId = journalId;
    this.#position ??= Math.max(oldest - 1, head - recentEvents, 0);
    this.#state = 'reading';
    let read = false;
    await readEventStream(`${url}/events?after=${this.#position}`, signal, ({ id, name, data }) => {
      const position = Number(id);
      this.#position = position;
      read = true;
      onEvent(name, data, position > head);
      if (position === head) onCaughtUp();
    });
    this.#state = 'connecting';
    return read;
  }

  /** Asks what reconciliation asks, for no range at all: that reads nothing but the two ends. */
  async #head(): Promise<Head> {
    const response = await fetch(`${this.#options.url}/events/digests?consumer=observer&types=none&after=0&until=0`, {
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(headTimeoutMs)]),
    });
    if (!response.ok) throw new Error(`the journal answered ${response.status}`);
    return Head.parse(await response.json());
  }
}
