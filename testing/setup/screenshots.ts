// Pictures of every page of the wizard in every state it can be in, in both themes, narrow and wide, for people to look at beside
// the models: npm run screenshots -w testing [-- FOLDER [WORD]]. They are compared by nobody's pixel. Never written into the tree.
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { checkout } from '@freehold/appliance/dev/builds'
import { chromium } from '@playwright/test'
import { startFaultFront } from '../stands/fault-front.ts'
import { startWizardStand } from '../stands/wizard-stand.ts'
import { arrange, setupScenes } from './scenes.ts'

const [where = join(tmpdir(), 'freehold-screenshots'), word = '', locale = 'en-GB'] = process.argv.slice(2)
const folder = resolve(where)
if (!relative(checkout, folder).startsWith('..')) throw new TypeError(`${folder} lies inside the tree: name another folder`)
await mkdir(folder, { recursive: true })

const host = await startWizardStand()
const front = await startFaultFront(host.origin)
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
    for (const scene of setupScenes().filter(({ name }) => name.includes(word))) {
      arrange(front, scene)
      await page.goto('about:blank')
      await page.goto(front.origin + scene.path, { waitUntil: 'domcontentloaded' })
      const main = page.getByRole('main')
      if (locale.startsWith('en')) {
        if (scene.press !== undefined) await main.getByRole('button', { name: scene.press }).click()
        await (scene.shows === null ? main.locator('[aria-busy=true]') : main.getByText(scene.shows)).first().waitFor()
      } else {
        // scenes are told by English words: in other languages a page is taken as it stands once it is filled
        await (scene.state === 'filled' ? main.getByRole('heading', { level: 2 }) : main.getByRole('heading')).first().waitFor()
      }
      await page.screenshot({ path: join(folder, `${scene.name.replaceAll(/\W+/g, '-')}.${look}.png`), fullPage: true })
      count += 1
    }
    await page.close()
  }
  process.stdout.write(`${count} pictures in ${folder}\n`)
} finally {
  await browser.close()
  await front.close()
  await host.stop()
}
