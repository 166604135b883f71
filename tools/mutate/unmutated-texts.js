// What is not mutated: texts for people, which no test holds word for word.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

/** `write` is that of a RateLimitedLog, and takes the level. */
const logMethods = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'write']);
/** Properties of a route whose value is text in the service's OpenAPI document. */
const describingProperties = new Set(['summary', 'description', 'problems']);

/** `log.warn(…)`, `this.#log.warn(…)`: the text and the fields. */
function isLogCall({ node }) {
  if (node.type !== 'CallExpression') return false;
  const { object, property } = node.callee;
  const name = object?.property?.id?.name ?? object?.property?.name ?? object?.name;
  return name === 'log' && logMethods.has(property?.name);
}

/** The words of `new NoSuchThingError('…')`. The first text of a ProblemError is a code that its callers know. */
function isErrorText({ node, parentPath, listKey, key }) {
  if (listKey !== 'arguments' || parentPath.node.type !== 'NewExpression') return false;
  if (node.type !== 'StringLiteral' && node.type !== 'TemplateLiteral') return false;
  const { name = '' } = parentPath.node.callee;
  return name === 'ProblemError' ? key === 2 : name.endsWith('Error');
}

function isDescription({ node }) {
  return node.type === 'ObjectProperty' && describingProperties.has(node.key.name);
}

/** The words in `.describe('…')` of a schema. */
function isSchemaDescription({ parentPath, listKey }) {
  return listKey === 'arguments' && parentPath.node.callee?.property?.name === 'describe';
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'texts', {
    shouldIgnore(path) {
      if (isLogCall(path)) return 'text of a log line';
      if (isErrorText(path)) return 'text of an error';
      if (isDescription(path) || isSchemaDescription(path)) return 'text of the API document';
      return undefined;
    },
  }),
];
