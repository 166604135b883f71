// Messages that could not be handled: why, what they held, and a way to try them again.
import { useEffect, useState } from 'preact/hooks';
import type { DeadLetterList, DeadLetterView } from '../../model/messages.ts';
import { api, errorText } from '../base/api.ts';
import { dateAndTime, plural, words } from '../base/format.ts';
import { useInterests } from '../live/use-live.ts';

const interests = {};

export function DeadLettersView() {
  useInterests(interests);
  const [list, setList] = useState<DeadLetterList | undefined>();
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);
  const load = async () => setList(await api.deadLetters());
  const act = (what: () => Promise<string>) => {
    setBusy(true);
    what()
      .then(setSaid, (error: unknown) => setSaid(errorText(error)))
      .finally(() => setBusy(false));
  };
  const reload = () =>
    act(async () => {
      await load();
      return '';
    });
  useEffect(reload, []);
  const redrive = (service: string, letterId?: string) =>
    act(async () => {
      const { redriven } = await api.redrive(service, letterId);
      await load();
      return `${plural(redriven, 'letter')} of ${service} redriven.`;
    });
  return (
    <>
      <h1>
        Dead letters{' '}
        <button type="button" onClick={reload} disabled={busy}>
          Read again
        </button>
      </h1>
      <p class="quiet">Redriving is safe at any time: what has taken effect before is recognised as a duplicate.</p>
      <p class="said" role="status">
        {said}
      </p>
      {list?.errors.map((error) => (
        <p key={error} class="banner">
          {error}
        </p>
      ))}
      {list && !list.letters ? (
        <p class="card">
          The observer has no access to the broker (AMQP_URL), so it shows counts only. npm run dead-letters shows the
          letters.
        </p>
      ) : null}
      {list ? <Counts list={list} busy={busy} redrive={redrive} /> : <p class="quiet">Reading the queues …</p>}
      {list?.letters?.map((letter, index) => (
        <Letter key={`${letter.service} ${letter.letterId} ${index}`} letter={letter} busy={busy} redrive={redrive} />
      ))}
    </>
  );
}

interface Redriving {
  readonly busy: boolean;
  readonly redrive: (service: string, letterId?: string) => void;
}

function Counts({ list, busy, redrive }: { list: DeadLetterList } & Redriving) {
  return (
    <section class="card" aria-label="Dead letters by service">
      <ul class="plain controls">
        {list.counts.map(({ service, count }) => (
          <li key={service}>
            <span>{service}</span>
            <span class={count > 0 ? 'bad-text' : 'quiet'}>{plural(count, 'dead letter')}</span>
            {list.letters && count > 0 ? (
              <button
                type="button"
                disabled={busy}
                onClick={() => redrive(service)}
                aria-label={`Redrive all of ${service}`}
              >
                Redrive all
              </button>
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Letter({ letter, busy, redrive }: { letter: DeadLetterView } & Redriving) {
  const title = `${letter.type ?? 'no event'} for ${letter.service}`;
  return (
    <article class="card letter" aria-label={title}>
      <h2>
        {title}
        <button type="button" disabled={busy} onClick={() => redrive(letter.service, letter.letterId)}>
          Redrive
        </button>
      </h2>
      <dl class="facts">
        <dt>reason</dt>
        <dd>
          <strong class="bad-text">{words(letter.reason)}</strong>
        </dd>
        {letter.detail ? (
          <>
            <dt>detail</dt>
            <dd>{letter.detail}</dd>
          </>
        ) : null}
        {letter.subject ? (
          <>
            <dt>about</dt>
            <dd>
              {looksLikeOrder(letter.subject) ? (
                <a href={`#/saga/${letter.subject}`}>{letter.subject}</a>
              ) : (
                letter.subject
              )}
            </dd>
          </>
        ) : null}
        {letter.at ? (
          <>
            <dt>since</dt>
            <dd>{dateAndTime(Date.parse(letter.at))}</dd>
          </>
        ) : null}
      </dl>
      <details>
        <summary>The message, {plural(letter.bytes, 'byte')}</summary>
        <pre tabIndex={0}>{letter.body}</pre>
      </details>
    </article>
  );
}

/** A link from foreign text: nothing but an order id becomes one. */
function looksLikeOrder(subject: string): boolean {
  return /^[0-9a-f-]{36}$/i.test(subject);
}
