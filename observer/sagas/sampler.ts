// Under load, only a part of the sagas is looked at whole: an observer must not cost the system what it observes. The part
// is chosen by order id, so that of each saga all events are kept or none.

/** Events that are looked at whole in a second: some 125 sagas, many more than anybody can read. */
const eventsPerSecondMax = 500;
const periodMs = 500;

export class Sampler {
  /** One in so many; a power of two. */
  #oneIn = 1;
  #events = 0;
  #periodEndMs = 0;

  /** @returns whether the saga belongs to the part that is kept now */
  keeps(orderId: string, nowMs: number): boolean {
    if (nowMs >= this.#periodEndMs) this.#adapt(nowMs);
    this.#events += 1;
    // The last digits of an order id are random.
    return this.#oneIn === 1 || Number.parseInt(orderId.slice(-4), 16) % this.#oneIn === 0;
  }

  #adapt(nowMs: number): void {
    const perSecond = nowMs - this.#periodEndMs < periodMs ? this.#events / (periodMs / 1_000) : 0;
    this.#oneIn = 2 ** Math.max(0, Math.ceil(Math.log2(perSecond / eventsPerSecondMax)));
    this.#events = 0;
    this.#periodEndMs = nowMs + periodMs;
  }
}

/** Of an event that is not looked at whole: what is counted. */
export interface Glimpse {
  readonly type: string;
  readonly subject: string;
  readonly atMs: number;
  readonly reason: string | undefined;
}

/**
 * Reads it from the text without parsing that: within a string of JSON, quotes are escaped, so these are the first members
 * of those names, and the envelope comes before the data.
 */
export function glimpse(type: string, text: string): Glimpse {
  return {
    type,
    subject: memberIn('"subject":"', text) ?? '',
    atMs: Date.parse(memberIn('"time":"', text) ?? ''),
    reason: memberIn('"reason":"', text),
  };
}

function memberIn(member: string, text: string): string | undefined {
  const at = text.indexOf(member);
  if (at < 0) return undefined;
  const from = at + member.length;
  return text.slice(from, text.indexOf('"', from));
}
