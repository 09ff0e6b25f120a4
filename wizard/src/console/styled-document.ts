/**
 * This document, whose style elements carry the nonce of our content security policy: the terminal writes its sizes and colours
 * into such elements, and the policy allows no others (X22).
 */
export function styledDocument(): Document {
  const nonce = document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? ''
  const createElement = (name: string, options?: ElementCreationOptions) => {
    const element = document.createElement(name, options)
    if (element instanceof HTMLStyleElement) element.nonce = nonce
    return element
  }
  return new Proxy(document, {
    get(target, key) {
      if (key === 'createElement') return createElement
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  })
}
