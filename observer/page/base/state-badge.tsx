// The status of a saga, in words and in colour.
import type { SagaState } from '../../model/messages.ts';

const symbols: Readonly<Record<SagaState, string>> = { running: '●', undoing: '↶', confirmed: '✓', cancelled: '✕' };

export function StateBadge({ state }: { state: SagaState }) {
  return (
    <span class={`state ${state}`}>
      <span aria-hidden="true">{symbols[state]}</span> {state}
    </span>
  );
}
