// Holds an answer against the service's own OpenAPI document.
import type { IncomingHttpHeaders } from 'node:http';
import { expect } from 'chai';
import { z } from 'zod';
import type { ServiceName } from '../../shared/contract/choreography.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes, and the document checks each
  readonly body: any;
}

/** OpenAPI as far as the tests read it. */
export interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required: boolean }[];
  readonly requestBody?: unknown;
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema?: object }> }>;
}

/** What a problem answer must be. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, type: answer.body?.type }, answer.text.slice(0, 500)).to.deep.equal({
    status,
    type: `urn:problem:${code}`,
  });
  expect(answer.headers['content-type']).to.match(/^application\/problem\+json/);
  expect(answer.body.status).to.equal(status);
  expect(answer.body.title).to.be.a('string').with.property('length').greaterThan(3);
  expect(answer.body.detail).to.be.a('string').with.property('length').within(10, 1_000);
  expect(answer.body.requestId).to.equal(answer.headers['x-request-id']).and.to.be.a('string');
  expect(answer.text.length, 'length of the whole answer').to.be.lessThan(10_000);
}

const schemas = new WeakMap<object, z.ZodType>();

function schemaOf(document: Document, schema: object): z.ZodType {
  const known = schemas.get(schema);
  if (known) return known;
  const reference = (schema as { $ref?: string }).$ref;
  const resolved = reference ? document.components.schemas[reference.split('/').at(-1) ?? ''] : schema;
  if (!resolved) throw new Error(`no schema ${reference}`);
  const made = z.fromJSONSchema(resolved as Parameters<typeof z.fromJSONSchema>[0]);
  schemas.set(schema, made);
  return made;
}

/** The operation of the document that a request is for, if it is for one. */
function operationOf(document: Document, name: ServiceName, method: string, path: string): Operation | undefined {
  const [bare = ''] = path.split('?');
  const own = bare.startsWith(`/${name}/`) ? bare.slice(name.length + 1) : bare;
  const matches = Object.entries(document.paths).filter(([template]) =>
    new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(own),
  );
  // A path in full comes before one with a parameter in its place.
  matches.sort(([a], [b]) => a.split('{').length - b.split('{').length);
  return matches.map(([, operations]) => operations[method.toLowerCase()]).find((operation) => operation);
}

/** Fails when the answer is not one that the document promises for its route. */
export function checkAgainst(
  document: Document,
  name: ServiceName,
  method: string,
  path: string,
  answer: Answer,
): void {
  const operation = operationOf(document, name, method, path);
  if (!operation) return;
  const what = `the answer ${answer.status} to ${method} ${path.slice(0, 100)}`;
  const response = operation.responses[String(answer.status)];
  if (!response) expect.fail(`${what} is not in the OpenAPI document: ${answer.text.slice(0, 300)}`);
  const [type = ''] = (answer.headers['content-type'] ?? '').split(';');
  const content = response.content?.[type];
  if (!content)
    expect.fail(`${what} has content type '${type}'; the document has ${Object.keys(response.content ?? {})}`);
  if (!content.schema) return;
  const result = schemaOf(document, content.schema).safeParse(answer.body ?? answer.text);
  if (!result.success)
    expect.fail(`${what} is not what its schema says: ${z.prettifyError(result.error)}\n${answer.text}`);
}
