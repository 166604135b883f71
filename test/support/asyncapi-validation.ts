// Whether an AsyncAPI 3.0 document is valid: the official JSON Schema, and what the specification asks for beyond it.
import specs from '@asyncapi/specs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { z } from 'zod';

const Ref = z.object({ $ref: z.string() });
const Document = z.object({
  channels: z.record(
    z.string(),
    z.object({
      address: z.string(),
      parameters: z.record(z.string(), z.unknown()).default({}),
      messages: z.record(z.string(), Ref),
    }),
  ),
  operations: z.record(z.string(), z.object({ channel: Ref, messages: z.array(Ref) })),
});
type Document = z.infer<typeof Document>;

/** Everything that is wrong with the document, a line each; none: it is valid. */
export function asyncApiProblems(document: unknown): string[] {
  const problems = [...schemaProblems(document), ...danglingReferences(document)];
  if (problems.length > 0) return problems;
  const read = Document.parse(document);
  return [...channelProblems(read), ...operationProblems(read)];
}

/** What is wrong with an event for someone who knows nothing but the document. */
export function payloadProblems(document: object, message: string, event: unknown): string[] {
  const ajv = newAjv().addSchema(document, 'asyncapi');
  const validate = ajv.compile({ $ref: `asyncapi#/components/messages/${message}/payload` });
  return validate(event) ? [] : linesOf(validate.errors);
}

function newAjv(): Ajv {
  // Not strict: the official schema uses keywords and formats that ajv does not know.
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  addFormats.default(ajv);
  return ajv;
}

// The variant without $id, because the other one brings its own copy of draft 7, which ajv has already.
const officialSchema: object = specs.schemasWithoutId['3.0.0'];
const validateDocument = newAjv().compile(officialSchema);

function schemaProblems(document: unknown): string[] {
  return validateDocument(document) ? [] : linesOf(validateDocument.errors);
}

function linesOf(errors: typeof validateDocument.errors): string[] {
  return (errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`);
}

function danglingReferences(document: unknown): string[] {
  return referencesIn(document)
    .filter((ref) => !resolves(document, ref))
    .map((ref) => `${ref} leads nowhere`);
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const here = '$ref' in value && typeof value.$ref === 'string' ? [value.$ref] : [];
  return [...here, ...Object.values(value).flatMap(referencesIn)];
}

function resolves(document: unknown, ref: string): boolean {
  if (!ref.startsWith('#/')) return false;
  let at: unknown = document;
  for (const key of ref.slice(2).split('/').map(unescaped)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false;
    at = (at as Record<string, unknown>)[key];
  }
  return true;
}

function channelProblems({ channels }: Document): string[] {
  return Object.entries(channels).flatMap(([name, { address, parameters, messages }]) => {
    const inAddress = [...address.matchAll(/\{([^}]+)\}/g)].map(([, parameter]) => String(parameter));
    const declared = Object.keys(parameters);
    return [
      ...missing(inAddress, declared).map((parameter) => `channel ${name}: parameter ${parameter} is not declared`),
      ...missing(declared, inAddress).map(
        (parameter) => `channel ${name}: parameter ${parameter} is not in its address`,
      ),
      ...(/[?#]/.test(name) ? [`channel ${name}: its name has a query or a fragment`] : []),
      ...Object.values(messages)
        .filter(({ $ref }) => !$ref.startsWith('#/components/messages/'))
        .map(({ $ref }) => `channel ${name}: ${$ref} is not a message`),
    ];
  });
}

function operationProblems({ channels, operations }: Document): string[] {
  return Object.entries(operations).flatMap(([name, { channel, messages }]) => {
    const channelRefs = Object.keys(channels).map((key) => `#/channels/${escaped(key)}`);
    if (!channelRefs.includes(channel.$ref)) return [`operation ${name}: ${channel.$ref} is not a channel`];
    return messages
      .filter(({ $ref }) => !$ref.startsWith(`${channel.$ref}/messages/`))
      .map(({ $ref }) => `operation ${name}: ${$ref} is not a message of its channel`);
  });
}

function missing(wanted: readonly string[], present: readonly string[]): string[] {
  return wanted.filter((item) => !present.includes(item));
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescaped(key: string): string {
  return decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~');
}
