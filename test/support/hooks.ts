// Runs around all tests: stops at the end what they share.
import { stopTestBroker } from './broker.ts';

export const mochaHooks = {
  afterAll: async () => {
    await stopTestBroker();
  },
};
