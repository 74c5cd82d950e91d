import { type DefaultTreeAdapterTypes, parse, serialize } from 'parse5';

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;
type Fields = Readonly<Record<string, readonly string[]>>;

const attribute = (element: Element, name: string): string | undefined =>
  element.attrs.find((item) => item.name === name)?.value;

function setAttribute(element: Element, name: string, value: string | undefined): void {
  element.attrs = element.attrs.filter((item) => item.name !== name);
  if (value !== undefined) element.attrs.push({ name, value });
}

function elementsIn(node: Node, found: Element[] = []): Element[] {
  if ('tagName' in node) found.push(node);
  if ('childNodes' in node) for (const child of node.childNodes) elementsIn(child, found);
  return found;
}

function isHidden(element: Element): boolean {
  return (
    element.tagName === 'input' && attribute(element, 'type') === 'hidden' && attribute(element, 'name') !== '_csrf'
  );
}

/** How many of a form's hidden fields were sent as they are: it tells forms with one action apart. */
function likeness(form: Element, fields: Fields): number {
  return elementsIn(form)
    .filter(isHidden)
    .filter((item) => fields[attribute(item, 'name') ?? '']?.includes(attribute(item, 'value') ?? '')).length;
}

function fillControl(control: Element, values: readonly string[] | undefined): void {
  const type = attribute(control, 'type');
  if (control.tagName === 'select') {
    if (!values) return;
    for (const option of elementsIn(control).filter(({ tagName }) => tagName === 'option'))
      setAttribute(option, 'selected', values.includes(attribute(option, 'value') ?? '') ? '' : undefined);
  } else if (control.tagName === 'textarea') {
    if (!values) return;
    control.childNodes = [{ nodeName: '#text', value: values[0] ?? '', parentNode: control }];
  } else if (type === 'checkbox' || (type === 'radio' && values)) {
    setAttribute(control, 'checked', values?.includes(attribute(control, 'value') ?? 'on') ? '' : undefined);
  } else if (values && type !== 'radio' && type !== 'file') {
    setAttribute(control, 'value', values[0] ?? '');
  }
}

/** Opens every `<details>` that the form stands in, or that holds something typed. */
function openAround(element: Element): void {
  for (let at: Node | null = element; at && 'parentNode' in at; at = at.parentNode)
    if ('tagName' in at && at.tagName === 'details') setAttribute(at, 'open', '');
}

/**
 * A page with what was typed put back into the form it was typed into: the one with this action, and of several the one whose
 * hidden fields are the same. The session's token is left as the page has it. A page without such a form stays as it is.
 */
export function fillForm(html: string, draft: { readonly action: string; readonly fields: Fields }): string {
  const document = parse(html);
  const [form] = elementsIn(document)
    .filter((element) => element.tagName === 'form' && attribute(element, 'action') === draft.action)
    .sort((a, b) => likeness(b, draft.fields) - likeness(a, draft.fields));
  if (!form) return html;
  openAround(form);
  for (const control of elementsIn(form)) {
    const name = attribute(control, 'name');
    if (!name || name === '_csrf' || !['input', 'select', 'textarea'].includes(control.tagName)) continue;
    const values = draft.fields[name];
    fillControl(control, values);
    if (values?.some((value) => value !== '')) openAround(control);
  }
  return serialize(document);
}
