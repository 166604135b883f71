// What the people of the comparison have seen: counts and latencies, and how they went over time.
import { Latencies } from '../load/histogram.ts';

/** Width of a bar of the picture. */
export const bucketMs = 250;

/** How a request went: right; wrong, a list that lacks an accepted order, or a price that is outdated; or without a good answer. */
export type Seen = 'right' | 'wrong' | 'failed';

export type Phase = 'whole' | 'down' | 'again';

interface Requests {
  sent: number;
  failed: number;
}

export class Tally {
  phase: Phase = 'whole';
  /** Orders that were accepted, by phase. */
  readonly accepted: Record<Phase, number> = { whole: 0, down: 0, again: 0 };
  readonly posts: Record<Phase, Requests> = { whole: none(), down: none(), again: none() };
  readonly gets: Record<Phase, Requests> = { whole: none(), down: none(), again: none() };
  /** While everything runs. */
  readonly postMs = Latencies.empty();
  readonly getMs = Latencies.empty();
  /** Lists that were read; those that lack an order which was accepted before. */
  readonly lists = { read: 0, lacking: 0 };
  /** Lists that were read twice in a row; those of which the second differs. */
  readonly pairs = { read: 0, differing: 0 };
  /** The same for reads that bring the version of the write. */
  readonly versioned = { read: 0, lacking: 0 };
  /** From the answer to a write until every process that answers reads knows it. */
  readonly seenMs = Latencies.empty();
  seenNever = 0;
  /** From the answer to a change of a price until an order at that price is accepted. */
  readonly priceMs = Latencies.empty();
  readonly prices = { changed: 0, outdated: 0 };
  readonly newcomers = { ordered: 0, refused: 0 };
  /** At the end, when it is quiet: of the last orders of everybody, asked at every process, those that one does not know. */
  readonly finally = { asked: 0, missing: 0 };
  readonly timeline: Record<Seen, number>[] = [];
  readonly #beganMs = performance.now();
  downFromMs = 0;
  downUntilMs = 0;

  get nowMs(): number {
    return performance.now() - this.#beganMs;
  }

  note(seen: Seen): void {
    const index = Math.floor(this.nowMs / bucketMs);
    while (this.timeline.length <= index) this.timeline.push({ right: 0, wrong: 0, failed: 0 });
    const bucket = this.timeline[index];
    if (bucket) bucket[seen] += 1;
  }

  /** A request to place an order. */
  posted(ok: boolean, tookMs: number): void {
    const posts = this.posts[this.phase];
    posts.sent += 1;
    if (!ok) posts.failed += 1;
    else this.accepted[this.phase] += 1;
    if (ok && this.phase === 'whole') this.postMs.record(tookMs);
    this.note(ok ? 'right' : 'failed');
  }

  got(ok: boolean, tookMs: number): void {
    const gets = this.gets[this.phase];
    gets.sent += 1;
    if (!ok) gets.failed += 1;
    if (ok && this.phase === 'whole') this.getMs.record(tookMs);
    if (!ok) this.note('failed');
  }
}

function none(): Requests {
  return { sent: 0, failed: 0 };
}
