// The frame of the page: its navigation, what is true everywhere, and the view that the address asks for.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { count } from './base/format.ts';
import { useRoute } from './base/route.ts';
import { useLive } from './live/use-live.ts';
import { ChoreographyView } from './views/choreography.tsx';
import { DeadLettersView } from './views/dead-letters.tsx';
import { NowView } from './views/now.tsx';
import { SagaView } from './views/saga.tsx';
import { SagasView } from './views/sagas.tsx';
import { TryView } from './views/try.tsx';

const tabs = [
  { path: 'now', title: 'Now' },
  { path: 'sagas', title: 'Sagas' },
  { path: 'choreography', title: 'Choreography' },
  { path: 'try', title: 'Try it' },
  { path: 'dead-letters', title: 'Dead letters' },
] as const;

export function App() {
  const { path, query } = useRoute();
  const { connection, overview } = useLive();
  const [view = 'now', id = ''] = path;
  const main = useRef<HTMLElement>(null);
  const title = view === 'saga' ? `Order ${id}` : (tabs.find((tab) => tab.path === view)?.title ?? 'Now');
  const first = useRef(true);
  useEffect(() => {
    document.title = `${title} · Sagas, live`;
    // Whoever follows a link with the keyboard goes on in what it opened.
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [title]);
  return (
    <>
      <header class="top">
        <a
          class="skip"
          href={`${location.hash || '#/now'}`}
          onClick={(event) => {
            event.preventDefault();
            main.current?.focus();
          }}
        >
          Skip to the content
        </a>
        <a class="brand" href="#/now">
          <img src="/page/icon.svg" alt="" width="26" height="26" /> Sagas, live
        </a>
        <nav aria-label="Views">
          {tabs.map((tab) => (
            <a key={tab.path} href={`#/${tab.path}`} aria-current={isCurrent(tab.path, view) ? 'page' : undefined}>
              {tab.title}
              {tab.path === 'dead-letters' && overview && overview.deadLetters > 0 ? (
                <span class="badge bad">{count(overview.deadLetters)}</span>
              ) : null}
            </a>
          ))}
        </nav>
        <p class={`connection ${connection}`} role="status">
          <span class="dot" aria-hidden="true" />
          {connectionText[connection]}
        </p>
      </header>
      {connection === 'lost' ? (
        <p class="banner" role="alert">
          The connection to the observer is lost. What you see is not up to date. Trying again …
        </p>
      ) : null}
      <main ref={main} tabIndex={-1} id="content">
        {viewOf(view, id, query)}
      </main>
    </>
  );
}

const connectionText = { connecting: 'Connecting', open: 'Live', lost: 'Connection lost' } as const;

function isCurrent(tab: string, view: string): boolean {
  return tab === view || (tab === 'sagas' && view === 'saga');
}

function viewOf(view: string, id: string, query: URLSearchParams): ComponentChildren {
  if (view === 'sagas') return <SagasView query={query} />;
  if (view === 'saga') return <SagaView key={id} orderId={id} />;
  if (view === 'choreography') return <ChoreographyView />;
  if (view === 'try') return <TryView />;
  if (view === 'dead-letters') return <DeadLettersView />;
  return <NowView />;
}
