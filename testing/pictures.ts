import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { checkout } from '@freehold/appliance/dev/builds'
import { chromium, type Page } from '@playwright/test'

/** What the command line asks for: FOLDER, which is never in the tree; WORD that a page's name has; a locale of browsers. */
export interface Wanted {
  folder: string
  word: string
  locale: string
}

/** Reads the arguments and makes the folder. Throws TypeError for one inside the tree. */
export async function wanted(): Promise<Wanted> {
  const [where = join(tmpdir(), 'freehold-screenshots'), word = '', locale = 'en-GB'] = process.argv.slice(2)
  const folder = resolve(where)
  if (!relative(checkout, folder).startsWith('..')) throw new TypeError(`${folder} lies inside the tree: name another folder`)
  await mkdir(folder, { recursive: true })
  return { folder, word, locale }
}

/** A picture of each thing in both themes, narrow and wide: `show` brings it onto the page and names its file. Tells how many. */
export async function takePictures<Thing>(
  { folder, locale }: Wanted,
  things: readonly Thing[],
  show: (page: Page, thing: Thing) => Promise<string>,
): Promise<void> {
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' })
  let count = 0
  try {
    for (const [look, width, colorScheme] of [
      ['light-wide', 1280, 'light'],
      ['dark-wide', 1280, 'dark'],
      ['light-narrow', 320, 'light'],
      ['dark-narrow', 320, 'dark'],
    ] as const) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce', locale })
      for (const thing of things) {
        const name = await show(page, thing)
        await page.screenshot({ path: join(folder, `${name}.${look}.png`), fullPage: true })
        count += 1
      }
      await page.close()
    }
    process.stdout.write(`${count} pictures in ${folder}\n`)
  } finally {
    await browser.close()
  }
}
