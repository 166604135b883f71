// Keeps strangers' web pages out: those that guess the address of this one, and those that point a name of theirs at it.
import { isIP } from 'node:net';
import { ProblemError } from '../../shared/runtime/http/problem.ts';

export interface GuardedRequest {
  readonly method: string;
  /** Header by lower-case name; empty when it is missing. */
  header(name: string): string;
}

/**
 * Throws ProblemError for a request that must not be answered.
 * @param hosts names under which the page may be opened, besides addresses and `localhost`
 */
export function guard({ method, header }: GuardedRequest, hosts: readonly string[]): void {
  const host = header('host');
  const name = hostName(host);
  // A name that its owner can point anywhere makes a foreign page look like ours; an address cannot be pointed.
  if (!(isIP(name) || name === 'localhost' || hosts.includes(name))) {
    throw new ProblemError(421, 'unknown-host', `this page is not served under that name; add it to OBSERVER_HOSTS`);
  }
  if (method === 'GET' || method === 'HEAD') return;
  if (!/^application\/json\b/i.test(header('content-type')))
    throw new ProblemError(415, 'unsupported-media-type', 'send application/json');
  const site = header('sec-fetch-site');
  const origin = header('origin');
  // curl sends neither of them; every browser sends an Origin.
  const foreign =
    (site !== '' && site !== 'same-origin') ||
    (origin !== '' && origin !== `http://${host}` && origin !== `https://${host}`);
  if (foreign) throw new ProblemError(403, 'foreign-origin', 'only the page itself may ask for that');
}

function hostName(host: string): string {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}
