// What npm start prints once everything runs: where things are, and what to try.
import type { Running } from '../../local/foreground.ts';
import { sampleAccounts, sampleProducts } from '../../local/sample-data.ts';
import { paintFor } from '../../local/terminal.ts';

const columnWidth = 17;

/** @param versions whether the instances learn of each other's orders, so that a read can ask for a version */
export function welcome({ system, logDir, loadedSamples, livePage }: Running, versions = true): string {
  const paint = paintFor(process.stdout);
  const { broker, processes, urls, gateway } = system;
  const order = gateway ? `${gateway.url}/order-service` : urls['order-service'];
  const json = `-H 'content-type: application/json'`;
  const line = (name: string, value: string) => `  ${paint.bold(name.padEnd(columnWidth))}  ${value}`;
  const lines = [
    ...processes.map(({ name, url, pid }) => line(name, `${url}  ${paint.dim(`pid ${pid}`)}`)),
    ...(gateway ? [line('gateway', `${gateway.url}  ${paint.dim(gateway.description)}`)] : []),
    line('broker', broker.description),
    // The URL of a given one holds a password that should not be on a screen.
    ...(broker.source === 'url' || broker.nodes ? [] : [line('', broker.url)]),
    ...(broker.nodes ?? []).map(({ url, pid }) => line('', `${url}  ${paint.dim(`pid ${pid}`)}`)),
    line('logs', logDir),
    ...(livePage ? [line('live page', livePage.whyNot ? paint.yellow(livePage.whyNot) : livePage.url)] : []),
  ];
  return `
${paint.green('Ready.')}

${lines.join('\n')}
${loadedSamples ? `\n${samples()}\n` : ''}
Place an order and wait for its outcome; show how it came about; place an order in the short form:

curl -s ${order}/orders ${json} -H 'prefer: wait=5' -d '{"userId":"alice","items":[{"productId":"CATALOG-001","qty":2}]}'
curl -s ${order}/orders/$(curl -s '${order}/orders?userId=alice&limit=1' | cut -d'"' -f6)/timeline
curl -s ${order}/alice/orders ${json} -d '{"productId":"CATALOG-002","qty":10,"unitPrice":1500}'

${versions && processes.some(({ instance }) => instance !== undefined) ? severalInstances(order, json) : ''}${livePage && livePage.whyNot === undefined ? `Watch every order, and break things, on the live page: ${livePage.url}\n` : ''}A service that you kill (kill -9 PID) is started again and continues where it was. Ctrl-C stops everything.
`;
}

function severalInstances(order: string, json: string): string {
  return `Each request goes to the next instance. A read that brings the version of a write sees it, wherever it goes:

version=$(curl -sD- -o /dev/null ${order}/orders ${json} -d '{"userId":"alice","items":[{"productId":"CATALOG-001","qty":1}]}' | tr -d '\\r' | awk '/^saga-version/{print $2}')
curl -sw '\\n' '${order}/orders?userId=alice&limit=1' -H "saga-minimum-version: $version"

`;
}

function samples(): string {
  const accounts = sampleAccounts.map(({ userId, note }) => `${userId} (${note})`).join(', ');
  return `There are products to order, ${sampleProducts.map(({ productId }) => productId).join(', ')}, and customers: ${accounts}.`;
}
