import { expect, type Page } from '@playwright/test'
import { tabTo } from './fixtures.ts'

/** A person without a pointer: what Tab does not reach is out of reach. */
export interface Keys {
  /** Tab to a button, Enter. */
  press(name: string | RegExp): Promise<void>
  /** Tab to a link, Enter. */
  follow(name: string | RegExp): Promise<void>
  /** Tab to a field, which takes its text as selected, and type over it. */
  type(label: string, text: string): Promise<void>
  /** Tab to a box, Space. */
  tick(name: string | RegExp): Promise<void>
  /** Tab into the group that has this choice, then arrows until it is chosen. */
  pick(name: string | RegExp): Promise<void>
  /** Holds that nothing was pressed by a pointer on this page since `keysOf`. */
  alone(): void
}

/** Before the first page is opened: from then on every press of a pointer is counted. */
export async function keysOf(page: Page): Promise<Keys> {
  let pointed = 0
  await page.exposeFunction('pointerWasUsed', () => (pointed += 1))
  await page.addInitScript(`addEventListener('pointerdown', () => pointerWasUsed(), true)`)
  const enter = async (role: 'button' | 'link', name: string | RegExp) => {
    await tabTo(page, role, name)
    await page.keyboard.press('Enter')
  }
  return {
    press: (name) => enter('button', name),
    follow: (name) => enter('link', name),
    async type(label, text) {
      await tabTo(page, 'textbox', label)
      await page.keyboard.press('ControlOrMeta+a')
      await page.keyboard.insertText(text)
    },
    async tick(name) {
      await tabTo(page, 'checkbox', name)
      await page.keyboard.press('Space')
    },
    async pick(name) {
      const wanted = page.getByRole('radio', { name })
      const group = page.getByRole('radiogroup').filter({ has: wanted })
      await expect(wanted).toBeVisible()
      // Tab stops once at a group: at what is chosen in it
      for (let presses = 0; !(await group.evaluate((e) => e.contains(e.ownerDocument.activeElement))); presses++) {
        if (presses === 60) throw new Error(`no Tab reaches the choices of ${String(name)}`)
        await page.keyboard.press('Tab')
      }
      const choices = await group.getByRole('radio').count()
      for (let presses = 0; presses < choices && !(await wanted.isChecked()); presses++) await page.keyboard.press('ArrowDown')
      await expect(wanted).toBeChecked()
      await expect(wanted).toBeFocused()
    },
    alone() {
      expect(pointed, 'a pointer was used').toBe(0)
    },
  }
}
