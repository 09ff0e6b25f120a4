/**
 * Runs `work`; style elements that it makes carry the nonce of our content security policy, which allows no others (X22). The
 * terminal writes its sizes and colours into three such elements, all made while it opens. Its own option for this, another
 * document, does not reach one of them: https://github.com/xtermjs/xterm.js (CoreBrowserTerminal.ts, `mainDocument`).
 */
export function withStyledElements<T>(work: () => T): T {
  const nonce = document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? ''
  const plain = document.createElement.bind(document)
  document.createElement = (name: string, options?: ElementCreationOptions) => {
    const element = plain(name, options)
    if (element instanceof HTMLStyleElement) element.nonce = nonce
    return element
  }
  try {
    return work()
  } finally {
    // back to the prototype's
    Reflect.deleteProperty(document, 'createElement')
  }
}
