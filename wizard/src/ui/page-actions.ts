/** Something on the page that can be pressed, by the name that it has there. */
export interface PageAction {
  name: string
  /** Why it is off, in the words of the page; absent where it works. */
  reason?: string
  press(): void
}

const pressable = 'header a[href], nav a[href], main a[href], main button'

/**
 * What can be pressed on the page as it stands: the very buttons and links, so that a command is never another thing than they are.
 * Each name once.
 */
export function pageActions(): PageAction[] {
  const found = new Map<string, PageAction>()
  for (const element of document.querySelectorAll<HTMLElement>(pressable)) {
    const name = (element.getAttribute('aria-label') ?? element.innerText).replaceAll(/\s+/g, ' ').trim()
    if (name === '' || found.has(name) || element.offsetParent === null || element.getAttribute('aria-busy') === 'true') continue
    const described = element.getAttribute('aria-describedby')?.split(' ')[0]
    const reason =
      element.getAttribute('aria-disabled') === 'true' ? document.getElementById(described ?? '')?.innerText : undefined
    found.set(name, {
      name,
      ...(reason !== undefined && { reason }),
      press() {
        element.focus()
        element.click()
      },
    })
  }
  return [...found.values()]
}
