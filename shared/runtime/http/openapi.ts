// The OpenAPI 3.1 document of a service, made from the very routes that are served.
import { z } from 'zod';
import { Problem } from './problem.ts';
import type { Route } from './route.ts';

/** Problems that every route may answer with. */
const problemsOfAll: Readonly<Record<number, string>> = {
  400: 'The request is not valid; `errors` names every field that is wrong.',
  500: 'An error in the service; nothing was stored.',
};
const problemsOfLimited: Readonly<Record<number, string>> = {
  503: 'The service cannot answer this now; Retry-After says when to try again.',
};
const problemsOfChanges: Readonly<Record<number, string>> = {
  413: 'The body is larger than 64 KiB.',
  415: 'The body is not application/json.',
  503: 'The service cannot accept this now. Nothing was stored; Retry-After says when to try again.',
};

export function openApiDocument(
  service: string,
  description: string,
  routes: readonly Route[],
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: service, version: '1.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    paths,
    components: { schemas: { Problem: jsonSchema(Problem) } },
  };
}

function operation(route: Route): Record<string, unknown> {
  const problems = {
    ...problemsOfAll,
    ...(route.lane === 'probe' ? {} : problemsOfLimited),
    ...('command' in route ? problemsOfChanges : {}),
    ...route.problems,
  };
  const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  const answers = Object.entries(route.answers).map(
    ([status, { description, schema, contentType = 'application/json' }]) => [
      status,
      { description, ...(schema ? { content: { [contentType]: { schema: jsonSchema(schema) } } } : {}) },
    ],
  );
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description ? { description: route.description } : {}),
    parameters: [
      ...parameters(route.params, 'path'),
      ...parameters(route.query, 'query'),
      ...('command' in route && route.idempotent
        ? [
            header(
              'Idempotency-Key',
              'A request repeated with the same key within 24 hours gets the first answer and has no second effect.',
              {
                type: 'string',
                maxLength: 255,
              },
            ),
          ]
        : []),
      ...(route.versioned
        ? [
            header(
              'Saga-Minimum-Version',
              'The Saga-Version of an earlier answer, or several, separated by commas: this answer is not older. It waits for that for two seconds, or as `Prefer: wait=N` says; then 503.',
              { type: 'string' },
            ),
          ]
        : []),
      ...(route.waits
        ? [
            header('Prefer', '`wait=N`: wait for the outcome, but for at most N seconds.', {
              type: 'string',
              examples: ['wait=5'],
            }),
          ]
        : []),
    ],
    ...(route.body
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchema(route.body, 'input') } },
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(answers),
      ...Object.fromEntries(
        Object.entries(problems).map(([status, description]) => [status, { description, content: problem }]),
      ),
    },
  };
}

function parameters(schema: z.ZodType | undefined, where: 'path' | 'query'): Record<string, unknown>[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: property,
  }));
}

function header(name: string, description: string, schema: Record<string, unknown>): Record<string, unknown> {
  return { name, in: 'header', required: false, description, schema };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
