// Place an order whose outcome is known beforehand, and watch it; where npm start runs the system, stop parts of it, too.
import { useEffect, useState } from 'preact/hooks';
import type { TryOptions } from '../../model/messages.ts';
import { api, errorText } from '../base/api.ts';
import { SagaView } from './saga.tsx';

export function TryView() {
  const [options, setOptions] = useState<TryOptions | undefined>();
  const [orderId, setOrderId] = useState('');
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    api.tryOptions().then(setOptions, (error: unknown) => setSaid(errorText(error)));
  }, []);
  const act = (what: () => Promise<string>) => {
    setBusy(true);
    what()
      .then(setSaid, (error: unknown) => setSaid(errorText(error)))
      .finally(() => setBusy(false));
  };
  const play = (name: string) =>
    act(async () => {
      const tried = await api.play(name);
      setOrderId(tried.orderId);
      return tried.note;
    });
  return (
    <>
      <h1>Try it</h1>
      <div class="scenarios">
        {options?.scenarios.map(({ name, title, does, unavailable }) => (
          <div key={name} class="card scenario">
            <button
              type="button"
              class="primary"
              disabled={busy || unavailable !== undefined}
              onClick={() => play(name)}
            >
              {title}
            </button>
            <p>{unavailable ?? does}</p>
          </div>
        ))}
      </div>
      {options ? <ControlsCard options={options} busy={busy} act={act} /> : null}
      <p class="said" role="status">
        {said}
      </p>
      {orderId ? (
        <SagaView key={orderId} orderId={orderId} embedded />
      ) : (
        <p class="quiet">The saga of your order appears here.</p>
      )}
    </>
  );
}

interface ControlsProps {
  readonly options: TryOptions;
  readonly busy: boolean;
  readonly act: (what: () => Promise<string>) => void;
}

const actionTexts: Readonly<Record<string, string>> = {
  kill: 'Kill',
  pause: 'Pause',
  cut: 'Cut connections',
};

function ControlsCard({ options: { controls }, busy, act }: ControlsProps) {
  if (!controls) {
    return <p class="quiet">Services and broker can be stopped from here only where npm start runs them.</p>;
  }
  const control = (target: string, action: string) => act(async () => (await api.control(target, action)).done);
  const targets = [
    ...controls.services.map((target) => ({ target, actions: ['pause', 'kill'] })),
    ...(controls.broker.length > 0 ? [{ target: 'broker', actions: controls.broker }] : []),
  ];
  return (
    <section class="card" aria-labelledby="controls-title">
      <h2 id="controls-title">Break something</h2>
      <p class="quiet">
        Place an order meanwhile, and see what it waits for. What is killed is started again by itself.
      </p>
      <ul class="plain controls break">
        {targets.map(({ target, actions }) => (
          <li key={target}>
            <span>{target}</span>
            {actions.map((action) => (
              <button
                key={action}
                type="button"
                disabled={busy}
                onClick={() => control(target, action)}
                aria-label={`${actionTexts[action] ?? action} ${target}`}
              >
                {actionTexts[action] ?? action}
              </button>
            ))}
          </li>
        ))}
      </ul>
    </section>
  );
}
