import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import getPort from 'get-port'
import { answersFor, fingerprintAt, fingerprintOnScreen, openStand, type Disk, type Stand } from './stand.ts'

// Two disks, and a host that goes on with either. With --all only: two installations and five starts.
if (process.env['FREEHOLD_ALL'] === '1') {
  let stand: Stand
  let pair: [Disk, Disk]
  before(async () => {
    stand = await openStand()
    pair = [stand.rawDisk('M1', 12), stand.rawDisk('M2', 12)]
  })
  after(() => stand?.close())

  /** Where the ESP begins: behind GRUB's own partition. */
  const esp = ({ file }: Disk): string => `${file}@@2M`
  const loaders = [
    'EFI/debian/shimx64.efi',
    'EFI/debian/grubx64.efi',
    'EFI/debian/grub.cfg',
    'EFI/BOOT/BOOTX64.EFI',
    'EFI/BOOT/grubx64.efi',
  ]
  /** Hash of each boot loader on the ESP; nothing of it: no such file, or none that can be read. */
  const onEsp = (disk: Disk): (string | undefined)[] =>
    loaders.map((path) => {
      try {
        const bytes = execFileSync('mtype', ['-i', esp(disk), `::${path}`], {
          maxBuffer: 2 ** 24,
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        return createHash('sha256').update(bytes).digest('hex')
      } catch {
        return undefined
      }
    })

  suite('a host on a mirror', () => {
    let fingerprint: string
    let whole: (string | undefined)[]

    test('is installed with the same boot loaders on both disks', async () => {
      await stand.install(pair[0], { disks: pair }, answersFor('M1', 'M2'))
      whole = onEsp(pair[0])
      assert.ok(whole.every((hash) => hash !== undefined))
      assert.deepEqual(onEsp(pair[1]), whole)
    })

    test('fills the ESP of the second disk again at its next start, and with it a boot loader of before', async () => {
      execFileSync('mdel', ['-i', esp(pair[1]), '::EFI/debian/grubx64.efi', '::EFI/BOOT/BOOTX64.EFI'])
      execFileSync('mcopy', ['-o', '-i', esp(pair[1]), import.meta.filename, '::EFI/debian/shimx64.efi'])
      assert.notDeepEqual(onEsp(pair[1]), whole)
      assert.equal(onEsp(pair[1])[3], undefined)
      const machine = await stand.start({ disks: pair, firmware: 'uefi', httpsPort: await getPort({ host: '127.0.0.1' }) })
      fingerprint = await fingerprintOnScreen(machine, 2400)
      const deadline = performance.now() + 900_000
      while (onEsp(pair[1]).join() !== whole.join()) {
        if (performance.now() > deadline) assert.deepEqual(onEsp(pair[1]), whole)
        await delay(1000)
      }
      await machine.freeze()
      await machine.cut()
      assert.deepEqual(onEsp(pair[0]), whole)
    })

    for (const [firmware, number] of [
      ['uefi', 1],
      ['bios', 1],
      ['uefi', 0],
      ['bios', 0],
    ] as const) {
      test(`starts from disk ${number + 1} alone under ${firmware}, the same host as before`, async () => {
        const httpsPort = await getPort({ host: '127.0.0.1' })
        const machine = await stand.start({ disks: [pair[number] as Disk], firmware, httpsPort })
        assert.equal(await fingerprintOnScreen(machine, 2400), fingerprint)
        assert.equal(await fingerprintAt(httpsPort, 300), fingerprint)
        await machine.cut()
      })
    }

    test('is installed anew over what it was, arrays and all', async () => {
      await stand.install(pair[0], { disks: pair }, `${answersFor('M1', 'M2')}  wipeInstalled: true\n`)
      assert.deepEqual(onEsp(pair[0]), onEsp(pair[1]))
    })
  })
}
