import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cutShortMenu, sayCutShort } from './installer/cut-short.ts'
import { sfdiskScript } from './installer/layout.ts'
import { startMachine, type MachineOptions } from './machine.ts'

// What a machine says whose installation was cut short before it has a system that could say it: firmware and GRUB alone, seconds each.
const folder = mkdtempSync(join(tmpdir(), 'fh-cut-short-'))
after(() => rmSync(folder, { recursive: true, force: true }))

async function says(options: MachineOptions): Promise<void> {
  const machine = await startMachine({ memoryMiB: 256, ...options })
  try {
    await machine.waitFor(/FREEHOLD-FAILED install-incomplete/, 300)
    await machine.waitFor(/cut short: nothing runs here\.\s+Start it from the Freehold medium again and install anew\./, 60, {
      failure: /grub>|grub rescue>/,
    })
  } finally {
    await machine.cut()
  }
}

test('a partitioned disk without a boot loader says what to do, and keeps its partitions', async () => {
  const file = join(folder, 'disk.raw')
  writeFileSync(file, '')
  truncateSync(file, 4 * 2 ** 30)
  const script = sfdiskScript({ root: 2048, vms: 0 }, false)
  execFileSync('sfdisk', ['--quiet', file], { input: script })
  const partitions = (): string => execFileSync('sfdisk', ['--dump', file], { encoding: 'utf8' })
  const before = partitions()
  await sayCutShort(file)
  assert.equal(partitions(), before)
  await says({ disks: [{ file, format: 'raw', serial: 'HALF' }] })
})

test('GRUB without the host’s menu says what to do', async () => {
  mkdirSync(join(folder, 'root/boot/grub'), { recursive: true })
  writeFileSync(join(folder, 'root/boot/grub/grub.cfg'), cutShortMenu)
  const file = join(folder, 'grub.iso')
  execFileSync('grub-mkrescue', ['--directory=/usr/lib/grub/i386-pc', '--output', file, join(folder, 'root')], {
    stdio: 'ignore',
  })
  await says({ iso: { file, as: 'cd' } })
})
