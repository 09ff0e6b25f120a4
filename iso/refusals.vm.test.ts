import assert from 'node:assert/strict'
import { copyFile, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { MachineOptions } from './machine.ts'
import { answersFor, hashOf, openStand, untouched, type Disk, type Stand } from './stand.ts'

// One screen with what is wrong, the value seen, what to do and a code; and not one block of any disk is written. Minutes each: with
// --all only. The decisions behind them are held without a machine in installer/*.test.ts.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  before(async () => {
    stand = await openStand()
  })
  after(() => stand?.close())

  interface Refusal {
    what: string
    code: string
    /** What the screen shows of the value. */
    seen: RegExp
    disks?: () => Disk[]
    answers?: string
    more?: MachineOptions
    medium?: () => Promise<string>
  }

  /** A copy of the medium with one byte of the guest image, or of what lies around it, turned. */
  async function flipped(): Promise<string> {
    const file = join(stand.folder, 'flipped.iso')
    await copyFile(stand.iso, file)
    const { size } = await stat(file)
    const handle = await open(file, 'r+')
    const byte = Buffer.alloc(1)
    const at = Math.floor(size * 0.55)
    await handle.read(byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ 0xff
    await handle.write(byte, 0, 1, at)
    await handle.close()
    return file
  }

  const one = (name: string, gib = 20, serial?: string) => [stand.disk(name, gib, serial)]
  const refusals: Refusal[] = [
    {
      what: 'disk too small',
      code: 'disk-too-small',
      seen: /1\.1 GB/,
      disks: () => one('SMALL', 1),
      answers: answersFor('SMALL'),
    },
    { what: 'no disk', code: 'disk-none', seen: /no disk at all/, disks: () => [], answers: answersFor('ANY') },
    {
      what: 'two disks and no choice',
      code: 'disk-ambiguous',
      seen: /serial TWIN[^]*serial TWIN/,
      disks: () => [...one('twin-a', 20, 'TWIN'), ...one('twin-b', 20, 'TWIN')],
      answers: answersFor('TWIN'),
    },
    {
      what: 'wrong disk serial',
      code: 'disk-not-found',
      seen: /serial ONE/,
      disks: () => one('ONE'),
      answers: answersFor('OTHER'),
    },
    {
      what: 'an unknown key in the answer file',
      code: 'answers-wrong',
      seen: /install\.colour: unknown\s+key/,
      disks: () => one('KEY'),
      answers: `${answersFor('KEY')}  colour: red\n`,
    },
    {
      what: 'clock years ahead',
      code: 'clock-wrong',
      seen: /2038-01-01/,
      disks: () => one('CLOCK'),
      answers: answersFor('CLOCK'),
      more: { clock: '2038-01-01' },
    },
    {
      what: 'damaged medium',
      code: 'medium-damaged',
      seen: /filesystem\.squashfs/,
      disks: () => one('DAMAGED'),
      answers: answersFor('DAMAGED'),
      medium: flipped,
    },
    {
      what: 'too little memory',
      code: 'memory-too-small',
      seen: /MiB are there/,
      disks: () => one('MEMORY'),
      answers: answersFor('MEMORY'),
      more: { memoryMiB: 768 },
    },
    {
      what: 'profile proxmox under Secure Boot',
      code: 'secure-boot-on',
      seen: /SecureBoot = 1[^]*profile: proxmox/,
      disks: () => one('SECURE'),
      answers: `${answersFor('SECURE')}  profile: proxmox\n`,
      more: { firmware: 'secure-boot' },
    },
  ]

  suite('nothing is written', () => {
    for (const { what, code, seen, disks, answers, more, medium } of refusals) {
      test(`${what}: one screen with the value, what to do, and the code ${code}`, async () => {
        const present = disks?.() ?? []
        const before = await Promise.all(present.map(({ file }) => hashOf(file)))
        const machine = await stand.start({
          iso: { file: (await medium?.()) ?? stand.iso, as: 'cd' },
          disks: present,
          ...(answers !== undefined && { credentials: { 'freehold.answers': answers } }),
          ...more,
        })
        await machine.waitFor(new RegExp(`FREEHOLD-FAILED ${code}`), 1200, {
          failure: /Kernel panic|FREEHOLD-FAILED|FREEHOLD-INSTALL \S+ partitioned/,
        })
        const screen = await machine.serial()
        await machine.cut()
        assert.match(screen, new RegExp(`Freehold was not installed\\.\\s+\\[${code}\\]`))
        assert.match(screen, /What to do:/)
        assert.match(screen, seen)
        assert.deepEqual(await Promise.all(present.map(({ file }) => hashOf(file))), before)
        assert.ok(present.every(({ file }) => untouched(file)))
      })
    }

    test('no answer file and two disks: it asks, lists both, and waits', async () => {
      const disks = [...one('left'), ...one('right')]
      const machine = await stand.start({ iso: { file: stand.iso, as: 'cd' }, disks })
      await machine.waitFor(/Nothing has been written yet/, 1200, { failure: /Kernel panic|FREEHOLD-FAILED|partitioned/ })
      const screen = await machine.serial()
      assert.match(screen, /serial left/)
      assert.match(screen, /serial right/)
      await machine.cut()
      assert.ok(disks.every(({ file }) => untouched(file)))
    })
  })

  test('a clock of before the medium is set to the medium’s, and the installation goes on', async () => {
    const disk = stand.disk('OLD', 12)
    await stand.install(disk, { clock: '2001-01-01' })
  })
}
