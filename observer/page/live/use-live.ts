// Draws a component again whenever the page has learned something, and says what it wants to be sent.
import { useEffect, useReducer } from 'preact/hooks';
import { type Interests, type Live, live } from './live.ts';

export function useLive(): Live {
  const [, draw] = useReducer((drawn: number) => drawn + 1, 0);
  useEffect(() => live.subscribe(() => draw(undefined)), []);
  return live;
}

export function useInterests(interests: Interests): void {
  const { sagas, map, orderId } = interests;
  useEffect(() => live.watch(interests), [sagas, map, orderId]);
}

/** The time, once a second, for what grows older on the screen. */
export function useNow(everyMs = 1_000): number {
  const [, draw] = useReducer((drawn: number) => drawn + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => draw(undefined), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return Date.now();
}
