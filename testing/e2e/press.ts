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

/** Part of a page: what it is about, what stands around it, or the dialog that lies over both. */
type Part = 'main' | 'around' | 'dialog'

/** All that is there to be pressed: buttons, and summaries that open what lies below them (of a list of alike ones the first two). */
function buttonsOf(page: Page, part: Part): Locator {
  const place = part === 'around' ? page.getByRole('banner').or(page.getByRole('contentinfo')) : page.getByRole(part)
  return place.getByRole('button').or(place.locator('summary:not(li:nth-child(n + 3) summary)')).filter({ visible: true })
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
  const pattern = new RegExp(`^${escaped.replaceAll(/\s+/g, String.raw`\s+`).replaceAll(/\d+/g, String.raw`\d+`)}$`)
  return page.getByRole('button', { name: pattern }).or(page.locator('summary').filter({ hasText: pattern }))
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

export interface PressOptions {
  patienceMs?: number
  /** Opens the page anew, and waits until it stands. Default: goes to its address. */
  open?(): Promise<void>
  /** Which part of the page. Default `main`; its dialogs always are. */
  part?: 'main' | 'around'
}

/** A button, and the presses that bring it onto the page. */
interface Due {
  name: string
  after: readonly string[]
}

/**
 * Presses every button of a page once, those of its dialogs too and, with FREEHOLD_ALL=1, those that only another press brings onto
 * the page (a form that opens, an answer that can be copied). A press may lead away, or take its button off the page: then the page is opened anew.
 */
export async function pressEverything(page: Page, url: string, options: PressOptions = {}): Promise<Met> {
  const { patienceMs = 20_000, part = 'main' } = options
  // each costs a page that is opened anew
  const deep = process.env['FREEHOLD_ALL'] === '1'
  const met: Met = { pressed: [], off: [] }
  const dialog = page.getByRole('dialog')
  const pathname = () => new URL(page.url()).pathname
  const open = async () => {
    if (options.open === undefined) {
      await page.goto(url)
      await settled(page)
    } else await options.open()
  }
  // a name is met once on a page, whatever numbers stand in it by then
  const known = new Set<string>()
  const unnumbered = (name: string) => name.replaceAll(/\d+/g, '#')
  const due: Due[] = []
  async function find(after: readonly string[]): Promise<void> {
    for (const name of await namesOf(buttonsOf(page, part))) {
      const same = unnumbered(name)
      if (known.has(same)) continue
      known.add(same)
      due.push({ name, after })
    }
  }

  async function meet(button: Locator, where: string): Promise<void> {
    if (await isOff(button, where, patienceMs)) {
      met.off.push(where)
      return
    }
    const pressed = await button.elementHandle()
    await press(page, button, where, patienceMs)
    met.pressed.push(where)
    // one that is called otherwise for a moment (`Copied`) is still the same
    const renamed = await pressed?.evaluate((e) => (e.getAttribute('aria-label') ?? e.textContent).trim()).catch(() => undefined)
    if (renamed !== undefined) known.add(unnumbered(renamed))
  }

  const buttonOf = (name: string) => buttonsOf(page, part).and(called(page, name)).first()

  /** Opens the page and presses what brings this button onto it. */
  async function bring({ after }: Due): Promise<void> {
    await open()
    for (const name of after) {
      await buttonOf(name).click({ timeout: patienceMs })
      await namesOf(buttonsOf(page, part))
    }
  }

  async function meetWithDialog(one: Due): Promise<void> {
    const where = [url.replace(/^\w+:\/\/[^/]+/, ''), ...one.after, one.name].join(' › ')
    const button = buttonOf(one.name)
    if (page.url() !== url || !(await button.isVisible())) {
      await bring(one)
      // it was read in the moment before the page knew who is signed in
      if (one.after.length === 0 && (await button.count()) === 0) return
    }
    await expect(button, where).toBeVisible()
    // what the press before began is still on its way
    await expect(button, where).not.toHaveAttribute('aria-busy', 'true')
    await meet(button, where)
    // what stands around every page opens what is loaded only then
    if (part === 'around') await expect(dialog, where).toBeVisible()
    if (!(await dialog.isVisible())) {
      if (deep && pathname() === new URL(url).pathname) await find([...one.after, one.name])
      return
    }
    const inner = [...(await namesOf(buttonsOf(page, 'dialog')))]
    // what a press in the dialog adds to it is met after the others; one that counts, or says that it was pressed, is no new one
    const seen = new Set(inner.map(unnumbered))
    for (const name of inner) {
      if (!(await dialog.isVisible())) {
        await bring(one)
        await button.click()
        await expect(dialog).toBeVisible()
      }
      await meet(buttonsOf(page, 'dialog').and(called(page, name)).first(), `${where} › ${name}`)
      if (!(await dialog.isVisible())) continue
      for (const more of await namesOf(buttonsOf(page, 'dialog'))) {
        if (seen.has(unnumbered(more)) || known.has(unnumbered(more))) continue
        seen.add(unnumbered(more))
        inner.push(more)
      }
    }
    await page.keyboard.press('Escape')
    await expect(dialog, `${where}: Escape closes it`).toHaveCount(0)
  }

  await open()
  await find([])
  for (let one = due.shift(); one !== undefined; one = due.shift()) {
    try {
      await meetWithDialog(one)
    } catch {
      // the press before led away, or took this one off the page, only now: what is broken fails on a fresh page too
      await bring(one)
      await meetWithDialog(one)
    }
  }
  return met
}

/** Header and footer of a page: its buttons, each link by keyboard (the one that skips is seen by nobody else), each choice. */
export async function pressAround(page: Page, url: string): Promise<Met> {
  const met = await pressEverything(page, url, { part: 'around' })
  const around = page.getByRole('banner').or(page.getByRole('contentinfo'))
  const links = around.getByRole('link').or(page.getByRole('link', { name: /^(Skip|Zum Inhalt)/ }))
  const { origin } = new URL(url)
  await page.goto(url)
  await settled(page)
  const leads = await links.evaluateAll((all) => all.map((e) => e.getAttribute('href') ?? ''))
  expect(leads, 'a frame without links has lost them').toContain('/my')
  for (const [at, href] of leads.entries()) {
    await page.goto(url)
    await settled(page)
    await links.nth(at).focus()
    await page.keyboard.press('Enter')
    await expect(page, `the link to ${href} leads there`).toHaveURL(new URL(href, `${origin}/`).href)
    await settled(page)
    met.pressed.push(`around › ${href}`)
  }
  await page.goto(url)
  await settled(page)
  const html = page.locator('html')
  const state = async () => `${await html.getAttribute('lang')} ${await html.getAttribute('data-theme')}`
  const choices = await around.getByRole('combobox').all()
  expect(choices, 'language and theme').toHaveLength(2)
  for (const choice of choices) {
    const values = await choice.getByRole('option').evaluateAll((all) => all.map((e) => e.getAttribute('value') ?? ''))
    const now = await choice.inputValue()
    for (const value of [...values.filter((one) => one !== now), now]) {
      const before = await state()
      await choice.selectOption(value)
      await expect.poll(state, { message: `${value} changes the page` }).not.toBe(before)
      met.pressed.push(`around › ${value}`)
    }
  }
  return met
}
