/** An XML element as data; the writer escapes, so nothing from outside can become markup. */
export interface Element {
  name: string
  attributes?: Record<string, string | number>
  children?: readonly (Element | string)[]
}

export function element(
  name: string,
  attributes: Record<string, string | number> = {},
  ...children: (Element | string)[]
): Element {
  return { name, attributes, children }
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
}

/** The inverse of `escapeXml`, for text that our own writer made. */
export function unescapeXml(text: string): string {
  return text
    .replaceAll('&apos;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&gt;', '>')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&')
}

/** Indented XML. Throws TypeError for characters that XML cannot hold. */
export function writeXml(node: Element, indent = ''): string {
  const attributes = Object.entries(node.attributes ?? {})
    .map(([key, value]) => ` ${key}="${checked(String(value))}"`)
    .join('')
  const children = node.children ?? []
  if (children.length === 0) return `${indent}<${node.name}${attributes}/>\n`
  if (children.every((child) => typeof child === 'string')) {
    return `${indent}<${node.name}${attributes}>${children.map((child) => checked(child)).join('')}</${node.name}>\n`
  }
  const inner = children
    .map((child) => (typeof child === 'string' ? `${indent}  ${checked(child)}\n` : writeXml(child, `${indent}  `)))
    .join('')
  return `${indent}<${node.name}${attributes}>\n${inner}${indent}</${node.name}>\n`
}

function checked(text: string): string {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))
    throw new TypeError('a control character cannot stand in XML')
  return escapeXml(text)
}
