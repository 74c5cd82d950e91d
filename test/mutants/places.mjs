/** Places in a source file where one small change makes the program wrong, read off its syntax tree. */
import { parseSync } from '@swc/core';

const BINARY = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '+': '-',
  '-': '+',
  '&&': '||',
  '||': '&&',
  '??': '&&',
};

const FRONT = '0;\n';

/**
 * @param {string} source
 * @returns {{ start: number, end: number, text: string, what: string }[]} what to put in the place of which bytes
 */
export function placesIn(source) {
  const bytes = Buffer.from(source);
  // The parser counts bytes from where the last file ended: a statement in front says from where.
  // `#!` is read only in a first line: of the same length, a comment.
  const tree = parseSync(`${FRONT}${source.replace(/^#!/, '//')}`, { syntax: 'typescript', target: 'es2022' });
  const base = tree.body[0].span.start + FRONT.length;
  const slice = (span) => bytes.subarray(span.start - base, span.end - base).toString();
  const found = [];
  const add = (span, text, what) => {
    found.push({ start: span.start - base, end: span.end - base, text, what });
  };

  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (node === null || typeof node !== 'object') return;
    if (typeof node.type === 'string' && node.type.startsWith('Ts') && node.type !== 'TsAsExpression') return;
    switch (node.type) {
      case 'BinaryExpression': {
        const operator = BINARY[node.operator];
        const isText = [node.left, node.right].some((side) => /^(StringLiteral|TemplateLiteral)$/.test(side.type));
        if (operator && !(isText && node.operator === '+')) {
          add(
            node.span,
            `${slice(node.left.span)} ${operator} ${slice(node.right.span)}`,
            `${node.operator} → ${operator}`,
          );
        }
        break;
      }
      case 'BooleanLiteral':
        add(node.span, String(!node.value), `${node.value} → ${!node.value}`);
        break;
      case 'UnaryExpression':
        if (node.operator === '!') add(node.span, `(${slice(node.argument.span)})`, 'not → as it is');
        break;
      case 'IfStatement':
        add(node.test.span, `!(${slice(node.test.span)})`, 'if → if not');
        break;
      case 'ExpressionStatement': {
        const call = node.expression.type === 'AwaitExpression' ? node.expression.argument : node.expression;
        if (call.type === 'CallExpression' && call.callee.type !== 'Super') add(node.span, ';', 'a call is left out');
        break;
      }
    }
    for (const [key, value] of Object.entries(node)) if (key !== 'span') visit(value);
  };
  visit(tree.body.slice(1));
  return found;
}
