// Finds out whether the database can be written while nobody else writes: what /readyz says must be so now, not when the
// last request came. A supervisor sends no requests to a service that was not ready when it last looked.
import type { Clock, Timer } from '../environment/clock.ts';
import type { Database } from './database.ts';
import type { GroupCommit, GroupParticipant } from './group-commit.ts';

/** Time without a group after which one is tried; and the same after a group that failed. */
const idleMs = 10_000;
const failedMs = 1_000;

export class WriteProbe implements GroupParticipant {
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #write;
  #timer: Timer | undefined;
  #written = false;

  /** Begins at once, and goes on until `stop`. */
  constructor(db: Database, commit: GroupCommit, clock: Clock) {
    this.#commit = commit;
    this.#clock = clock;
    // Changes nothing, and is written all the same.
    this.#write = db.prepare('UPDATE journal_identity SET journal_id = journal_id');
    commit.join(this);
    this.#later(idleMs);
  }

  begin(): void {}

  committed(): void {
    this.#written = true;
  }

  rolledBack(): void {
    this.#written = false;
    this.#later(failedMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #later(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#later(idleMs);
    if (!this.#written) {
      this.#commit.submit(
        () => void this.#write.run(),
        () => {},
      );
    }
    this.#written = false;
  }
}
