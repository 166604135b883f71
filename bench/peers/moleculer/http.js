// The HTTP side of a node: moleculer-web on the port of the environment.
import gateway from 'moleculer-web';

/** @param {Record<string, string>} aliases */
export function httpService(aliases) {
  return {
    name: 'http',
    mixins: [gateway],
    settings: {
      port: Number(process.env.PORT ?? 0),
      ip: '127.0.0.1',
      routes: [{ path: '/', aliases, bodyParsers: { json: true } }],
    },
  };
}
