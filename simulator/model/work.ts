// What a service has done, as the model sees it: one piece of work for each event handled, request done or deadline met, in
// the order in which they were committed.
import type { AnyEvent } from '../../shared/contract/choreography.ts';
import type { Cause } from '../../shared/runtime/messaging/unit-of-work.ts';
import type { PromiseId } from '../environment/violation.ts';

/** A request, in the words of whoever makes it. */
export type Asked =
  | {
      readonly what: 'place order';
      readonly userId: string;
      readonly items: readonly {
        readonly productId: string;
        readonly qty: number;
        readonly unitPrice?: number | undefined;
      }[];
      readonly deadlineMs: number;
      /** Idempotency-Key. */
      readonly key: string | undefined;
      /** What inventory-service has answered about products that order-service lacked. */
      readonly fetched: ReadonlyMap<string, Fetched>;
    }
  | { readonly what: 'cancel order'; readonly orderId: string }
  | {
      readonly what: 'keep product';
      readonly productId: string;
      readonly name: string;
      readonly unitPrice: number;
      readonly available: boolean;
      readonly version: number;
      readonly asOf?: string | undefined;
    }
  | {
      readonly what: 'put account';
      readonly userId: string;
      readonly balance?: number | undefined;
      readonly blocked?: boolean | undefined;
    }
  | { readonly what: 'deposit'; readonly userId: string; readonly amount: number }
  | {
      readonly what: 'put product';
      readonly productId: string;
      readonly name: string;
      readonly unitPrice: number;
      readonly stock?: number | undefined;
      readonly available?: boolean | undefined;
    }
  | { readonly what: 'restock'; readonly productId: string; readonly qty: number };

/** A product as inventory-service answers about it: `unavailable` when it could not be asked. */
export type Fetched = { readonly unitPrice: number; readonly available: boolean } | 'unknown' | 'unavailable';

/** How a request went: its result, or the problem with which it was refused. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly status: number };

/** Why a reaction could not handle an event, as its error is named. */
export type Inability = 'ContradictoryEventError' | 'UnknownSubjectError';

export type Work =
  | { readonly kind: 'event'; readonly nowMs: number; readonly event: AnyEvent; readonly outcome: string }
  /** Nothing of it was stored. */
  | { readonly kind: 'unable'; readonly nowMs: number; readonly event: AnyEvent; readonly why: Inability }
  | {
      readonly kind: 'request';
      readonly nowMs: number;
      readonly steadyMs: number;
      readonly asked: Asked;
      readonly cause: Cause;
      readonly answer: Answer;
    }
  | {
      readonly kind: 'deadline';
      readonly nowMs: number;
      readonly steadyMs: number;
      readonly orderId: string;
      readonly others: Others;
    };

/** What a service knew of the others when it met a deadline. */
export interface Others {
  /** Their journals could not be read then. */
  readonly away: readonly string[];
  /** What they had made of its earlier events was handled. */
  readonly caughtUp: boolean;
}

/** An event that must be published. Nothing is known of the cause of what a clock has led to. */
export interface Expected {
  readonly type: string;
  readonly subject: string;
  readonly data: unknown;
  readonly cause: Cause | undefined;
  /** The event that it follows from, although a clock has led to it. */
  readonly follows: string | undefined;
  /** By the clock of its service. */
  readonly nowMs: number;
}

/** When a piece of work was done. */
export interface At {
  /** By the clock of its service, which may be wrong. */
  readonly nowMs: number;
  /** By the clock of its process that nobody sets: deadlines go by it. */
  readonly steadyMs: number;
  /** By the clock of the run. */
  readonly atMs: number;
}

/** What must come of a piece of work. */
export interface Due {
  /** The outcome of a reaction: the type of the event that it publishes, or a silent one. */
  readonly outcome?: string;
  readonly answer?: Answer;
  readonly emits: readonly { readonly type: string; readonly data: unknown; readonly follows?: string | undefined }[];
}

/** What the model has to say against a run. */
export type Objection = (promise: PromiseId, subject: string, text: string) => void;
