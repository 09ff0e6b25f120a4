import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import type { Machine } from './machine.ts'
import { fingerprintAt, fingerprintOnScreen, openStand, type Disk, type Stand } from './stand.ts'

// The menu of the disk, by hand: GRUB listens on the serial line, the questions are on the screen, answered at the keyboard.
// With --all only.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  let host: Disk
  let secret: string
  before(async () => {
    stand = await openStand()
    host = stand.disk('HOST', 12)
    const said = await stand.install(host)
    secret = /(?:[A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}/.exec(said)?.[0] ?? ''
    assert.notEqual(secret, '')
  })
  after(() => stand?.close())

  /** QEMU's names of the keys of a US keyboard. */
  const keyNames: Record<string, string> = {
    ' ': 'spc',
    '-': 'minus',
    '/': 'slash',
    '>': 'shift-dot',
    ';': 'semicolon',
    '\n': 'ret',
  }
  const typed = (text: string): string[] =>
    text.split('').map((letter) => keyNames[letter] ?? (/[A-Z]/.test(letter) ? `shift-${letter.toLowerCase()}` : letter))

  /** Starts the disk's entry that stands so many lines below the first. */
  async function entry(lines: number, marker: RegExp): Promise<Machine> {
    const machine = await stand.start({ disks: [host] })
    await machine.waitFor(/Rescue: a shell/, 300)
    for (let i = 0; i < lines; i++) await machine.type('\x1b[B')
    await machine.type('\r')
    await machine.waitFor(marker, 900)
    return machine
  }

  suite('the recovery secret alone opens an installed machine', () => {
    test('rescue: five wrong secrets open nothing; the right one is a root shell', async () => {
      const denied = await entry(1, /FREEHOLD-INSTALL \S+ rescue/)
      for (let i = 0; i < 5; i++) await denied.press(...typed('AAAA-BBBB-CCCC-DDDD\n'))
      await denied.waitFor(/FREEHOLD-FAILED not-confirmed/, 300, { failure: /Kernel panic/ })
      await denied.cut()
      const machine = await entry(1, /FREEHOLD-INSTALL \S+ rescue/)
      await machine.press(...typed(`${secret}\n`))
      await machine.waitFor(/A root shell on the host/, 120)
      await machine.press(...typed('id > /dev/ttyS0\n'))
      await machine.waitFor(/uid=0\(root\)/, 120)
      assert.doesNotMatch(await machine.serial(), /must be\s+[0-9A-F]{2}:/)
      await machine.press(...typed('exit\n'))
      await machine.poweredOff(300)
    })

    test('factory reset: without the words nothing goes; with them the machine starts as new, under another certificate', async () => {
      const httpsPort = await getPort({ host: '127.0.0.1' })
      const first = await stand.start({ disks: [host], httpsPort })
      const former = await fingerprintOnScreen(first, 1200)
      await first.cut()
      const careful = await entry(2, /FREEHOLD-INSTALL \S+ reset/)
      await careful.press(...typed(`${secret}\nyes\n`))
      await careful.waitFor(/FREEHOLD-FAILED not-confirmed/, 300, { failure: /forgotten/ })
      await careful.cut()
      const machine = await entry(2, /FREEHOLD-INSTALL \S+ reset/)
      await machine.press(...typed(`${secret}\nFORGET EVERYTHING\n`))
      await machine.waitFor(/FREEHOLD-INSTALL \S+ forgotten/, 600)
      await machine.poweredOff(300)
      const anew = await stand.start({ disks: [host], httpsPort })
      const shown = await fingerprintOnScreen(anew, 1200)
      assert.notEqual(shown, former)
      assert.equal(await fingerprintAt(httpsPort, 300), shown)
      await anew.cut()
    })
  })
}
