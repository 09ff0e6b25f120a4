import { expect, type Locator, type Page } from '@playwright/test'
import { settled } from './invented-fixture.ts'

/**
 * Notes, in the page, what a press does within the press itself: a button's work begins there, so what its timers do meanwhile is
 * never taken for it. React shows what an event changed before the next task; all else counts where it is begun.
 */
const watch = (() => {
  const page = globalThis as unknown as Record<string, unknown> & EventTarget & { freeholdActs: number; freeholdPressed?: number }
  page.freeholdActs = 0
  const count = (owner: object, name: string) => {
    const own = owner as Record<string, (...args: unknown[]) => unknown>
    const former = own[name]
    if (former === undefined) return
    own[name] = function counted(this: unknown, ...args: unknown[]) {
      page.freeholdActs += 1
      return former.apply(this, args)
    }
  }
  const w = globalThis as unknown as Record<'navigator' | 'history' | 'URL' | 'window', Record<string, object>>
  count(globalThis, 'fetch')
  count(globalThis, 'open')
  count(w.history, 'pushState')
  count(w.history, 'replaceState')
  count(w.URL, 'createObjectURL')
  if (w.navigator['clipboard'] !== undefined) count(w.navigator['clipboard'], 'writeText')
  page.addEventListener(
    'click',
    () => {
      const Observer = page['MutationObserver'] as new (hear: () => void) => {
        observe(e: unknown, o: object): void
        takeRecords(): unknown[]
        disconnect(): void
      }
      const before = page.freeholdActs
      let changes = 0
      const observer = new Observer(() => (changes += 1))
      observer.observe(page['document'], { subtree: true, childList: true, attributes: true, characterData: true })
      setTimeout(() => {
        page.freeholdPressed = changes + observer.takeRecords().length + page.freeholdActs - before
        observer.disconnect()
      }, 0)
    },
    { capture: true },
  )
}).toString()

/** Must run before the first page is opened. */
export async function watchPresses(page: Page): Promise<void> {
  await page.addInitScript(`(${watch})()`)
}

/** What the page has under a press: its main part, or the dialog that lies over it. */
function buttonsOf(page: Page, dialog: boolean): Locator {
  return page.getByRole(dialog ? 'dialog' : 'main').getByRole('button')
}

/** Of a moment in which none of them is busy: a name that says so is gone a moment later. */
async function namesOf(buttons: Locator): Promise<Set<string>> {
  let names: string[] = []
  await expect(async () => {
    const found = await buttons.evaluateAll((all) =>
      all.map((e) => ({
        name: (e.getAttribute('aria-label') ?? e.textContent).trim(),
        busy: e.getAttribute('aria-busy') === 'true',
      })),
    )
    expect(found.filter((one) => one.busy)).toEqual([])
    names = found.map((one) => one.name)
  }).toPass({ timeout: 30_000 })
  return new Set(names)
}

/** By its name; times in it may have gone on since it was read. */
function called(page: Page, name: string): Locator {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  const pattern = escaped.replaceAll(/\s+/g, String.raw`\s+`).replaceAll(/\d+/g, String.raw`\d+`)
  return page.getByRole('button', { name: new RegExp(`^${pattern}$`) })
}

/** Presses one button and holds that something came of it, in the press or as a page that it led to. */
async function press(page: Page, button: Locator, where: string, patienceMs: number): Promise<void> {
  const from = page.url()
  await page.evaluate('delete window.freeholdPressed')
  await button.click({ timeout: 10_000 })
  await expect(async () => {
    const did = page.url() !== from || Number(await page.evaluate('window.freeholdPressed ?? 0')) > 0
    expect(did, `${where} does something`).toBe(true)
  }).toPass({ timeout: patienceMs })
}

/** True if the button is off; it must say why then. */
async function isOff(button: Locator, where: string, timeout: number): Promise<boolean> {
  if ((await button.getAttribute('aria-disabled')) !== 'true') return false
  await expect(button, `${where} says why it is off`).toHaveAccessibleDescription(/.{10,}/, { timeout })
  return true
}

/** What was met on one page. */
export interface Met {
  pressed: string[]
  off: string[]
}

/**
 * Presses every button of a page once, those of its dialogs too. A press may lead away, or take its button off the page (a form
 * that was closed): then the page is opened anew.
 */
export async function pressEverything(page: Page, url: string, patienceMs = 20_000): Promise<Met> {
  const met: Met = { pressed: [], off: [] }
  const dialog = page.getByRole('dialog')
  const open = async () => {
    await page.goto(url)
    await settled(page)
  }

  async function meet(button: Locator, where: string): Promise<void> {
    if (await isOff(button, where, patienceMs)) {
      met.off.push(where)
      return
    }
    await press(page, button, where, patienceMs)
    met.pressed.push(where)
  }

  async function meetWithDialog(name: string): Promise<void> {
    const where = `${new URL(url).pathname} › ${name}`
    const button = buttonsOf(page, false).and(called(page, name)).first()
    if (page.url() !== url || !(await button.isVisible())) {
      await open()
      // it was read in the moment before the page knew who is signed in
      if ((await button.count()) === 0) return
    }
    await expect(button, where).toBeVisible()
    // what the press before began is still on its way
    await expect(button, where).not.toHaveAttribute('aria-busy', 'true')
    await meet(button, where)
    if (!(await dialog.isVisible())) return
    for (const inner of await namesOf(buttonsOf(page, true))) {
      if (!(await dialog.isVisible())) {
        await open()
        await button.click()
        await expect(dialog).toBeVisible()
      }
      await meet(buttonsOf(page, true).and(called(page, inner)).first(), `${where} › ${inner}`)
    }
    await page.keyboard.press('Escape')
    await expect(dialog, `${where}: Escape closes it`).toHaveCount(0)
  }

  await open()
  for (const name of await namesOf(buttonsOf(page, false))) {
    try {
      await meetWithDialog(name)
    } catch {
      // the press before led away, or took this one off the page, only now: what is broken fails on a fresh page too
      await open()
      await meetWithDialog(name)
    }
  }
  return met
}
