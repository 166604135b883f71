// Which broker the system of a data folder uses while it runs, so that other commands find it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Broker } from './broker/start-broker.ts';

const noteSchema = z.object({ url: z.string().optional(), description: z.string() });
/** `url` is missing when it was given: what is in it is a secret of whoever gave it. */
export type BrokerNote = z.output<typeof noteSchema>;

export function noteBroker(dataDir: string, { source, url, description }: Broker): void {
  const note: BrokerNote = source === 'url' ? { description } : { url, description };
  writeFileSync(fileIn(dataDir), JSON.stringify(note), { mode: 0o600 });
}

export function removeBrokerNote(dataDir: string): void {
  rmSync(fileIn(dataDir), { force: true });
}

/** Of the last system that was started there: whether it still runs is another question. */
export function brokerNote(dataDir: string): BrokerNote | undefined {
  try {
    return noteSchema.parse(JSON.parse(readFileSync(fileIn(dataDir), 'utf8')));
  } catch {
    return undefined;
  }
}

function fileIn(dataDir: string): string {
  return join(dataDir, 'running-broker.json');
}
