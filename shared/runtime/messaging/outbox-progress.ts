// How far the relay has come with the journal: what it has handed to the broker, and what of that is not confirmed.

export class OutboxProgress {
  /** Up to here everything but the exceptions was confirmed when this process began. */
  startMark = 0;
  /** Highest entry handed to the broker. */
  cursor = 0;
  /** The highest that the cursor has ever been: entries up to it that are not in `unconfirmed` are done with. */
  taken = 0;
  /** There may be entries above the cursor. */
  more = true;
  /** Taken on and not confirmed: position and routing key, lowest first. */
  unconfirmed = new Map<number, string>();

  /** Up to here this process knows what became of each entry. */
  get known(): number {
    return Math.max(this.taken, this.startMark);
  }

  /** Entries from here on are looked at again. */
  rewind(position: number): void {
    this.more = true;
    this.cursor = Math.min(this.cursor, position - 1);
  }

  /** Up to here every entry is confirmed. */
  get confirmedUntil(): number {
    const [first] = this.unconfirmed.keys();
    return Math.min(first === undefined ? this.cursor : first - 1, this.cursor);
  }
}
