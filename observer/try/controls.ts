// Asks the process that runs the system (npm start) to stop parts of it. Without one, there are no controls.
import { z } from 'zod';
import { ProblemError } from '../../shared/runtime/http/problem.ts';

const timeoutMs = 15_000;

const Abilities = z.object({ services: z.array(z.string()), broker: z.array(z.string()) });
export type Abilities = z.output<typeof Abilities>;
const Done = z.object({ done: z.string() });
const Failed = z.object({ error: z.string() });

export class Controls {
  readonly #url: string;
  readonly #token: string;
  #abilities: Abilities | undefined;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** What can be done; undefined until it is known. */
  get abilities(): Abilities | undefined {
    return this.#abilities;
  }

  async connect(): Promise<void> {
    this.#abilities = Abilities.parse(await this.#send('GET', '/'));
  }

  async act(target: string, action: string): Promise<z.output<typeof Done>> {
    return Done.parse(await this.#send('POST', '/', { target, action }));
  }

  async #send(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer: unknown = await response.json();
    if (response.ok) return answer;
    throw new ProblemError(409, 'not-done', Failed.catch({ error: 'it could not be done' }).parse(answer).error);
  }
}
