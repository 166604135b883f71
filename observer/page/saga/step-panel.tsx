// Everything that is known about one event of a saga.
import type { SagaDetail } from '../../model/messages.ts';
import { CopyButton } from '../base/copy-button.tsx';
import { dateAndTime, duration, words } from '../base/format.ts';

export function StepPanel({ saga, eventId, onClose }: { saga: SagaDetail; eventId: string; onClose: () => void }) {
  const step = saga.steps.find((one) => one.eventId === eventId);
  if (!step) return null;
  const cause = saga.steps.find((one) => one.eventId === step.causeId);
  const undone = saga.steps.find((one) => one.eventId === step.undoesId);
  const effects = saga.steps.filter((one) => one.causeId === step.eventId);
  const json = JSON.stringify(step.event, null, 2);
  return (
    <section class="card panel" aria-labelledby="step-title">
      <h2 id="step-title">
        {step.type}
        <button type="button" onClick={onClose}>
          Close
        </button>
      </h2>
      <dl class="facts">
        <dt>published by</dt>
        <dd>{step.source.replace(/^\//, '')}</dd>
        <dt>at</dt>
        <dd>
          {dateAndTime(step.at)}
          {step.seenAfterMs === undefined ? '' : `, seen here ${duration(step.seenAfterMs)} later`}
        </dd>
        <dt>because of</dt>
        <dd>
          {cause
            ? `${cause.type}, ${duration(step.at - cause.at)} earlier`
            : (step.trigger ?? 'something that is not known here')}
        </dd>
        {effects.length > 0 ? (
          <>
            <dt>led to</dt>
            <dd>{effects.map(({ type }) => type).join(', ')}</dd>
          </>
        ) : null}
        <dt>read by</dt>
        <dd>{step.readers.length > 0 ? step.readers.join(', ') : 'nobody: it ends the saga'}</dd>
        {step.compensates ? (
          <>
            <dt>undoes</dt>
            <dd>{undone ? `${undone.type}, ${duration(step.at - undone.at)} earlier` : step.compensates}</dd>
          </>
        ) : null}
        {step.reason ? (
          <>
            <dt>reason</dt>
            <dd>{words(step.reason)}</dd>
          </>
        ) : null}
      </dl>
      <h3>
        The event <CopyButton text={json} what="the event" />
      </h3>
      <pre tabIndex={0}>{json}</pre>
    </section>
  );
}
