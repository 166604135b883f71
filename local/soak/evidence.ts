// What a soak that failed leaves behind, so that its cause can be found: what the services said, their logs and databases.
import { cpSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { serviceNames } from '../../services.ts';
import { send } from '../losses/http.ts';
import type { Stage } from '../losses/stage.ts';

const ordersShown = 20;

/**
 * Ends the services, whose databases would change otherwise.
 * @param stuck ids of orders that have not ended
 * @returns the folder: state.json (readiness, stuck orders), log.jsonl, and the databases
 */
export async function keepEvidence(stage: Stage, stuck: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'saga-soak-failed-'));
  writeFileSync(join(folder, 'state.json'), JSON.stringify(await stateOf(stage, stuck), undefined, 2));
  await Promise.all(serviceNames.map((name) => stage.service(name).kill()));
  writeFileSync(join(folder, 'log.jsonl'), stage.log.map((line) => `${JSON.stringify(line)}\n`).join(''));
  for (const name of serviceNames) {
    const { databasePath } = stage.service(name);
    for (const file of [databasePath, `${databasePath}-wal`])
      if (existsSync(file)) cpSync(file, join(folder, basename(file)));
  }
  return folder;
}

async function stateOf(stage: Stage, stuck: readonly string[]): Promise<unknown> {
  const { 'order-service': orders } = stage.urls;
  const readiness = await Promise.all(serviceNames.map((name) => answerOf(`${stage.urls[name]}/readyz`)));
  return {
    totals: await answerOf(`${orders}/totals`),
    readiness: Object.fromEntries(serviceNames.map((name, index) => [name, readiness[index]])),
    stuck: await Promise.all(stuck.slice(0, ordersShown).map((orderId) => answerOf(`${orders}/orders/${orderId}`))),
  };
}

/** What cannot be asked is part of the evidence, too. */
async function answerOf(url: string): Promise<unknown> {
  try {
    return (await send('GET', url)).body;
  } catch (error) {
    return String(error);
  }
}
