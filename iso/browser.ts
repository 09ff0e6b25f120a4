import { createHash } from 'node:crypto'
import { chromium } from '@playwright/test'

/** What Chromium sees at an address whose certificate nobody vouches for. */
export interface Seen {
  /** SHA-256 of the certificate as Chromium itself tells it (Security domain), in its own notation. */
  fingerprint: string
  /** Text of the page. */
  text: string
}

/** Opens a page until the text is on it; a slow machine may take minutes for the first answer. */
export async function seenInChromium(url: string, text: string, seconds: number): Promise<Seen> {
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' })
  try {
    const page = await browser.newPage({ ignoreHTTPSErrors: true })
    page.setDefaultTimeout(seconds * 1000)
    await page.goto(url)
    await page.getByText(text).waitFor()
    const session = await page.context().newCDPSession(page)
    const told = Promise.withResolvers<string[]>()
    session.on('Security.visibleSecurityStateChanged', ({ visibleSecurityState: { certificateSecurityState: state } }) => {
      if (state !== undefined) told.resolve(state.certificate)
    })
    await session.send('Security.enable')
    const [leaf = ''] = await told.promise
    const hex = createHash('sha256').update(Buffer.from(leaf, 'base64')).digest('hex').toUpperCase()
    return { fingerprint: hex.match(/../g)?.join(':') ?? '', text: (await page.textContent('body')) ?? '' }
  } finally {
    await browser.close()
  }
}
