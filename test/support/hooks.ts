// Runs around all tests: what they share is stopped at the end.
import { stopTestBroker } from './broker.ts';

export const mochaHooks = {
  afterAll: async () => {
    await stopTestBroker();
  },
};
