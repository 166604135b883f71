// What customers want during a soak, and how each wish may end. `deadline` may end any of them: a service was away too long.
import type { Random } from './random.ts';

export interface Wish {
  readonly kind: keyof typeof kinds;
  readonly userId: string;
  readonly productId: string;
  readonly cancels: boolean;
}

interface Kind {
  /** Of a hundred orders. */
  readonly share: number;
  readonly user: 'rich' | 'poor' | 'nobody';
  readonly productId: 'PEN' | 'NONE';
  readonly cancels: boolean;
  /** Status, or reason of the cancellation. */
  readonly ends: readonly string[];
}

const kinds = {
  plain: { share: 70, user: 'rich', productId: 'PEN', cancels: false, ends: ['confirmed'] },
  cancels: { share: 10, user: 'rich', productId: 'PEN', cancels: true, ends: ['confirmed', 'customer'] },
  poor: { share: 8, user: 'poor', productId: 'PEN', cancels: false, ends: ['insufficient_funds'] },
  nobody: { share: 4, user: 'nobody', productId: 'PEN', cancels: false, ends: ['no_such_account'] },
  soldOut: { share: 8, user: 'rich', productId: 'NONE', cancels: false, ends: ['out_of_stock'] },
} as const satisfies Readonly<Record<string, Kind>>;

const names = Object.keys(kinds) as (keyof typeof kinds)[];
const hundred = names.flatMap((name) => Array.from({ length: kinds[name].share }, () => name));
const richUsers = 50;

export const accounts: Readonly<Record<string, number>> = {
  poor: 0,
  ...Object.fromEntries(Array.from({ length: richUsers }, (_, index) => [`rich-${index}`, 1_000_000_000])),
};
export const products = { PEN: 1_000_000, NONE: 0 } as const;

export function nextWish(random: Random): Wish {
  const kind = random.pick(hundred);
  const { user, productId, cancels } = kinds[kind];
  const userId = user === 'rich' ? `rich-${Math.floor(random.next() * richUsers)}` : user;
  return { kind, userId, productId, cancels };
}

/** @param end `confirmed`, or the reason of the cancellation */
export function mayEnd({ kind }: Wish, end: string): boolean {
  return end === 'deadline' || (kinds[kind].ends as readonly string[]).includes(end);
}
